"""CPU seconds until a command answers: its help, an error about its arguments, a training's first step.

Every command runs in its own process on one thread; the time is user plus system time, so that other work on the
machine hardly matters.

python benchmarks/start_up.py
"""

import argparse
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

from lightning.pytorch import Callback
from rendering import processor

WRONG = re.compile("nonsense|bogus|many|no.yaml")
STEP = " (first training step)"
IMPORTS = ("torch", "lightning.pytorch", "jsonargparse", "gymnasium")
# The commands, with their limits in CPU seconds; {data} is a folder with a small dataset and a result.
COMMANDS = {
    "gbplan --help": 1.5,
    "gbplan --version": 1.5,
    "gbplan nonsense": 1.5,
    "gbplan collect --bogus 3": 1.5,
    "gbplan collect --episodes many": 1.5,
    "gbplan evaluate --tasks.bogus 3": 1.5,
    "gbplan evaluate --error_horizon many": 1.5,
    "gbplan fit --trainer.bogus 3": 1.5,
    "gbplan fit --trainer.max_epochs many": 1.5,
    "gbplan fit --config no.yaml": 1.5,
    "gbplan report --bogus 3": 1.5,
    "gbplan report {data}/results": None,
    "gbplan report --help": None,
    "gbplan collect --help": None,
    "gbplan evaluate --help": None,
    "gbplan fit --help": None,
    "gbplan fit --config configs/door_wall/base.yaml --model.init_args.bogus 3": None,
    f"gbplan fit --config configs/door_wall/base.yaml{STEP}": 4.0,
}


class StopAtFirstStep(Callback):
    """Ends the process when training begins."""

    def on_train_batch_start(self, *args: object) -> None:
        """Exit at once, with status 0."""
        os._exit(0)


def seconds(words: list[str], expected: int) -> float:
    """CPU time of a process of Python that ends with the ``expected`` status."""
    before = os.times()
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": f".{os.pathsep}benchmarks"}
    ended = subprocess.run([sys.executable, *words], capture_output=True, env=environment, check=False)
    assert ended.returncode == expected, ended.stderr
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def words_of(command: str, data: Path) -> list[str]:
    """The command as words for Python."""
    words = ["cli.py", *command.removesuffix(STEP).format(data=data).split()[1:]]
    if command.endswith(STEP):
        words += [f"--data.root={data}", "--data.datasets=[start/up-v0]", f"--trainer.default_root_dir={data / 'run'}"]
        words += ["--trainer.callbacks=start_up.StopAtFirstStep", "--overwrite"]
    return words


def median_seconds(words: list[str], rounds: int, expected: int = 0) -> float:
    """Median over processes, after one that reads files from the disk and compiles what numba caches."""
    return statistics.median([seconds(words, expected) for _ in range(rounds + 1)][1:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="processes per command; the median counts")
    rounds = parser.parse_args().rounds
    lines = [
        "# Start-up",
        "",
        "CPU seconds, user and system together, from the start of a process to its end, one thread, median of",
        f"{rounds}. Arguments of a class that is chosen by name (`--model.init_args.bogus`), and the help of all but",
        "`gbplan` and `gbplan report`, need the classes themselves.",
        "",
        "| command | CPU s | limit |",
        "|---|---|---|",
    ]
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        common = ["--env_id=DoorWall-v0", "--policy=ExpertPolicy", "--episodes=60", "--progress=false"]
        collect = ["collect", "--dataset_id=start/up-v0", f"--root={data}", *common]
        walk = ["--policy=RandomPolicy", "--tasks.env_id=DoorWall-v0", "--tasks.count=4"]
        evaluate = ["evaluate", f"--output={data / 'results' / 'walk'}", *walk]
        for prepare in (collect, evaluate):
            subprocess.run([sys.executable, "cli.py", *prepare], check=True)
        for command, limit in COMMANDS.items():
            taken = median_seconds(words_of(command, data), rounds, expected=2 if WRONG.search(command) else 0)
            shown = command.removesuffix(STEP).replace("{data}", "FOLDER")
            more = STEP if command.endswith(STEP) else ""
            lines.append(f"| `{shown}`{more} | {taken:.2f} | {limit or ''} |")
            print(lines[-1])
    for module in IMPORTS:
        lines.append(
            f"| `import {module}`, for comparison | {median_seconds(['-c', f'import {module}'], rounds):.2f} | |"
        )
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    lines += [
        "",
        f"Machine: {processor()}, {os.cpu_count()} CPU cores, load average {os.getloadavg()[0]:.1f} at the end. Python "
        f"{platform.python_version()}, torch {version('torch')}, lightning {version('lightning')}, commit "
        f"{commit.stdout.strip() or 'unknown'}.",
        "Command: `python benchmarks/start_up.py`.",
        "",
    ]
    Path(__file__).with_suffix(".md").write_text("\n".join(lines))


if __name__ == "__main__":
    main()
