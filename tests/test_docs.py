"""The documents say what the code does, and the commands they give are run."""

import contextlib
import json
import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from gbplan.cli import main

PAGES = [Path("README.md"), Path("CONTRIBUTING.md"), *sorted(Path("docs").glob("*.md"))]
LINKS = [(page, link) for page in PAGES for link in re.findall(r"\]\(([^)#]+)\)", page.read_text())]
CONFIGS = sorted(Path("configs").rglob("*.yaml"))


def commands(*files: Path) -> set[str]:
    """Commands with arguments, in blocks and running text of pages, and in comments of configurations."""
    found = []
    for file in files:
        text = re.sub(r"\\\n#?\s*", "", file.read_text())
        found += re.findall(r"(?m)^(?:    |# )(gbplan [a-z]+ +(?:-|runs).*)$", text)  # else: an explanation
        found += re.findall(r"`(gbplan [a-z]+\s[^`]*|python examples/[^`]*)`", text)
    # Those with an ellipsis are described, not given; `my_package` is the reader's own.
    return {" ".join(command.split()) for command in found if "..." not in command and "my_" not in command}


ON_PAGES = commands(*PAGES)
# Of the tasks on pymunk and MuJoCo only data are collected here: their trainings need base models of their own, and are
# parsed in test_cli.py.
OF_OTHER_TASKS = re.compile(
    r"gbplan (fit|evaluate) --config configs/(push_t(_pixels)?|point_maze|fetch_push|rope|granular)/"
)
COMMANDS = sorted(each for each in ON_PAGES | commands(*CONFIGS) if each in ON_PAGES or not OF_OTHER_TASKS.match(each))


def repeats(command: str) -> bool:
    """Tell a training that is run by default in another form: with more arguments, or from states, not pictures."""
    configs = re.findall(r"--config (\S+)", command)
    alike = [other for other in ON_PAGES if re.findall(r"--config (\S+)", other) == configs]
    longer = any(len(other) > len(command) for other in alike)
    return command.startswith("gbplan fit --config configs/") and (longer or "pixels" in command)


# Numbers in configurations that decide how long a command takes.
SMALL = {
    "episodes": 60,
    "max_epochs": 1,
    "check_val_every_n_epoch": 1,
    "every_n_epochs": 1,
    "count": 2,
    "iterations": 1,
}
METHOD = re.compile(r"base\.yaml --config configs/(door_wall|paper)/")  # a training that begins from a base model
# What is added to a command, because its configuration does not have it.
ADDED = {
    "collect": ["--overwrite"],
    "fit": ["--overwrite", "--trainer.enable_progress_bar=false"],
    "evaluate": ["--tasks.count=2", "--diagnostic_tasks=1", "--overwrite"],
}
PROMISED = {
    "collect": {"main_data.hdf5"},
    "fit": {"best.ckpt", "last.ckpt", "config.yaml"},
    "evaluate": {"result.json"},
    "--figures": {"paths-detour-light.png", "error-uniform-dark.svg"},
    "--html": {"report.html"},
}


def prints(command: str) -> bool:
    """Tell a command that only says something from one that does something."""
    return any(option in command for option in ("--help", "--print_config", ".help"))


def execute(command: str) -> None:
    """Run a command in the current folder, in this process, for a short time."""
    program, *arguments = shlex.split(command.replace("CLASS", "WorldModelModule"), comments=True)
    if program == "gbplan":
        one_more = ["--trainer.max_epochs=2"] if arguments[0] == "fit" and "--ckpt_path" in arguments else []
        small = [] if prints(command) else [*ADDED.get(arguments[0], []), *one_more]
        main([*arguments, *small])
    else:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("sys.argv", arguments)
            runpy.run_path(arguments[0], run_name="__main__")


@pytest.fixture(scope="module")
def after_base(tmp_path_factory, hub):
    """A checkout with small configurations, data, base models and one result.

    All files have the oldest possible date, which separates them from those that a command writes.
    """
    checkout = tmp_path_factory.mktemp("checkout")
    for path in CONFIGS:
        (checkout / path).parent.mkdir(parents=True, exist_ok=True)
        pattern = rf"\b({'|'.join(SMALL)}): \d+"
        (checkout / path).write_text(re.sub(pattern, lambda m: f"{m[1]}: {SMALL[m[1]]}", path.read_text()))
    shutil.copytree("examples", checkout / "examples")
    (checkout / "docs" / "figures").mkdir(parents=True)
    with contextlib.chdir(checkout):
        for command in COMMANDS:
            if command.startswith("gbplan collect --config configs/door_wall"):
                execute(command)
        for command in COMMANDS:
            if command.startswith("gbplan fit --config configs/door_wall/base.yaml") and not METHOD.search(command):
                execute(command)
        pictures = "gbplan fit --config configs/door_wall_pixels/base.yaml"
        execute(f"{pictures} --config configs/door_wall_pixels/encoder.yaml")
        execute(pictures)
        # Any model will do for what is made from one, and any result for a report.
        for folder in set(re.findall(r"(runs/\S+)/(?:best|last)\.ckpt", "\n".join(COMMANDS))):
            if not Path(folder).exists():
                beside = Path(folder).with_name("base")
                shutil.copytree(beside if beside.exists() else "runs/base", folder)
        execute(
            "gbplan evaluate --config configs/door_wall/evaluate.yaml --agent configs/agents/gradient_mpc.yaml "
            "--ckpt_path runs/base/best.ckpt --output runs/evaluate/base-gradient-mpc"
        )
        for folder in set(re.findall(r"gbplan report (runs/\w+)", "\n".join(COMMANDS))) - {"runs/evaluate"}:
            shutil.copytree("runs/evaluate", folder)
    for path in checkout.rglob("*"):
        os.utime(path, (0, 0))
    return checkout


@pytest.mark.end_to_end
@pytest.mark.parametrize(
    "command",
    [
        pytest.param(command, marks=[] if command in ON_PAGES and not repeats(command) else pytest.mark.slow)
        for command in COMMANDS
    ],
    ids=str,  # else a long command is called command17, which -k cannot find
)
@pytest.mark.filterwarnings("ignore:The dirpath has changed")  # from that of the checkout this one is a copy of
def test_command_does_what_it_promises_and_says_where(command, after_base, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(shutil.copytree(after_base, tmp_path / "checkout"))
    with pytest.raises(SystemExit, match=r"^0$") if prints(command) else contextlib.nullcontext():
        execute(command)
    *_, last = shown = capsys.readouterr().out.splitlines()
    if prints(command):
        assert len(shown) > 10
        return
    asked = shlex.split(command)
    promised = set().union(*(names for word, names in PROMISED.items() if word in asked))
    if asked[1] == "report" and not promised:
        assert shown[0].startswith("| result")
        return
    if asked[0] == "python":
        promised = {Path(asked[-1]).name}
    place = Path(re.search(r"\b(?:runs|docs)/[^\s;:,()]+", last)[0])
    new = {path.name for path in (place, *place.rglob("*")) if path.stat().st_mtime}
    assert promised <= new


@pytest.mark.end_to_end
@pytest.mark.timeout(120)
def test_tensorboard_shows_what_lies_in_runs(base_run, tmp_path):
    (command,) = re.findall(r"(?m)^    (tensorboard .*)$", Path("docs/start.md").read_text())
    shutil.copytree(base_run, tmp_path / "runs" / "base")
    program, *arguments = shlex.split(command)
    with subprocess.Popen(
        [Path(sys.executable).with_name(program), *arguments, "--port=0"],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
    ) as server:
        try:
            address = next(found[0] for line in server.stderr if (found := re.search(r"http://\S+", line)))
            for _ in range(100):  # it reads the runs meanwhile
                with urllib.request.urlopen(f"{address}data/plugin/scalars/tags", timeout=10) as answer:
                    shown = json.load(answer)
                if shown.get("base"):
                    break
                time.sleep(0.1)
            assert {"4_loss/val/loss", "4_loss/train/loss"} <= set(shown["base"])
        finally:
            server.terminate()


SCRIPTS = [
    path
    for path in sorted([*Path("examples").glob("*.py"), *Path("benchmarks").glob("*.py")])
    if path != Path("benchmarks/peers.py")  # which scripts import
]


@pytest.mark.parametrize("script", SCRIPTS, ids=str)
def test_script_says_what_it_does(script, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", [str(script), "--help"])
    monkeypatch.syspath_prepend(str(script.parent))  # as for any script
    with pytest.raises(SystemExit, match=r"^0$"):
        runpy.run_path(str(script), run_name="__main__")
    shown = capsys.readouterr().out
    assert script.name in shown
    assert len(shown.splitlines()) > 5


def test_there_is_something_to_test():
    assert {"collect", "fit", "evaluate", "report"} <= {command.split()[1] for command in COMMANDS}


@pytest.mark.parametrize(("page", "link"), LINKS, ids=lambda part: str(part))
def test_link_leads_somewhere(page, link):
    assert link.startswith("http") or (page.parent / link).exists()


@pytest.mark.parametrize("test", re.findall(r"`(tests/[^`]+)`", Path("docs/reliability.md").read_text()))
def test_promise_is_tested(test):
    file, _, name = test.partition("::")
    assert f"def {name}(" in Path(file).read_text()


@pytest.mark.parametrize("target", sorted(set(re.findall(r"`make ([a-z-]+)", " ".join(p.read_text() for p in PAGES)))))
def test_make_has_the_target(target):
    assert re.search(rf"(?m)^{target}:", Path("Makefile").read_text())


@pytest.mark.end_to_end
@pytest.mark.skipif(sys.version_info >= (3, 13), reason="argparse writes help differently from Python 3.13 on")
def test_command_line_page_is_what_help_says():
    # By itself: the help lists the classes that are there, and other tests define some.
    code = "import runpy; print(runpy.run_path('docs/make_cli.py')['text'](), end='')"
    page = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert Path("docs/cli.md").read_text() == page, "run `python docs/make_cli.py`"
