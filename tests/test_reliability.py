"""Every write of a short run fails, one at a time: old files stay whole, or new ones are, and one line says why."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
import torch

HERE = Path(__file__).parent
TINY = "door-wall/tiny-v0"
ONCE, FULL, KILL = 0, 1, 2


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """A process that runs commands with faults."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None or sys.platform != "linux":
        pytest.skip("faults are put in by a C file, on Linux")
    library = tmp_path_factory.mktemp("library") / "fail_nth.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, HERE / "fail_nth.c", "-ldl"], check=True)
    environment = os.environ | {"LD_PRELOAD": str(library), "OMP_NUM_THREADS": "1"}
    script = [sys.executable, str(HERE / "fault_script.py")]
    with subprocess.Popen(script, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout.readline() == "ready\n"
        yield process
        process.stdin.close()


class Command:
    """A command that replaces what another one has made, in a folder of its own."""

    def __init__(self, server, folder, before, args):
        self.server, self.folder, self.args = server, folder, args
        self.work, self.old, self.said = folder / "work", folder / "old", folder / "said"
        self.work.mkdir()
        for command in before:
            assert self.run(command) == 0, self.said.read_text()
        shutil.copytree(self.work, self.old)
        self.before = contents(self.work)
        begin = time.monotonic()
        assert self.run(args) == 0, self.said.read_text()
        self.seconds = time.monotonic() - begin
        self.after = contents(self.work)
        self.writes = int((folder / "count").read_text())

    def run(self, args, at=0, mode=ONCE, stop=None):
        request = {"args": [arg.format(self.work) for arg in args], "below": f"{self.work}/", "at": at, "mode": mode}
        request |= {"said": str(self.said), "counted": str(self.folder / "count"), "stop": stop}
        self.server.stdin.write(json.dumps(request) + "\n")
        self.server.stdin.flush()
        return int(self.server.stdout.readline())

    def restore(self):
        shutil.rmtree(self.work)
        shutil.copytree(self.old, self.work)


def contents(folder):
    """The contents of a folder's files, without hidden ones and without entries that differ in every run."""
    return {
        str(path.relative_to(folder)): facts(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and not path.name.startswith("events.out")
        and path.name not in ("hparams.yaml", "config.yaml", "recipe.json")
    }


def facts(path):
    """A file's contents without times; it must be complete."""
    if path.suffix == ".ckpt":
        found = torch.load(path, weights_only=True)
        return repr([found["epoch"], found["state_dict"], found["optimizer_states"], found["TrajectoryDataModule"]])
    if path.name == "result.json":
        result = json.loads(path.read_text())
        return repr([metrics["success"] for metrics in result["tasks"].values()])
    return path.read_bytes()


COLLECT = [
    "collect", "--env_id=DoorWall-v0", "--dataset_id=toys/toy-v0", "--policy=StraightLinePolicy", "--root={}",
    "--progress=false", "--overwrite",
]  # fmt: skip
FIT = [
    "fit", "--config=configs/door_wall/base.yaml", "--trainer.default_root_dir={}/run",
    "--trainer.reload_dataloaders_every_n_epochs=1", "--trainer.check_val_every_n_epoch=1",
    "--trainer.enable_progress_bar=false", "--trainer.enable_model_summary=false", "--checkpoint.every_n_epochs=1",
    f"--data.datasets=[{TINY}]",
    "--data.batch_size=256", "--data.validation_steps=10", "--data.validation_fraction=0.2",
    "--model.validation_horizons=[5]",
]  # fmt: skip
ONLINE = [
    "--online.agent=configs/agents/gradient_mpc.yaml",
    "--online.agent.planner.horizon=8", "--online.agent.planner.iterations=1", "--online.agent.planner.num_samples=2",
    "--online.tasks.count=2", "--online.tasks.env_kwargs={{max_episode_steps: 16}}", "--online.write_to=toys/online-v0",
    "--online.write_root={}/written", "--online.overwrite=true",
]  # fmt: skip
ADVERSARIAL = ["--model=AdversarialWorldModelModule", "--model.attack=FGSM", "--model.validation_horizons=[5]"]
EVALUATE = [
    "evaluate", "--policy=RandomPolicy", "--tasks.env_id=DoorWall-v0", "--output={}/random", "--tasks.count=2",
    "--overwrite",
]  # fmt: skip
REPORT = ["report", "{}", "--output={}/table.md", "--html={}/page.html", "--figures={}/figures"]


@pytest.fixture
def command(server, dataset_root, tmp_path):
    """Make what a command replaces, and what it makes of it."""
    base = [*FIT, f"--data.root={dataset_root}"]
    fit, two = [*base, *ONLINE], "--trainer.max_epochs=2"
    kinds = {
        "collect": ([[*COLLECT, "--episodes=2"]], [*COLLECT, "--episodes=3", "--seed=1"]),
        "fit": ([[*fit, "--trainer.max_epochs=1"]], [*fit, two, "--ckpt_path={}/run/last.ckpt"]),
        "evaluate": ([EVALUATE], [*EVALUATE, "--tasks.seed=1"]),
        "report": ([EVALUATE, REPORT, [*EVALUATE, "--tasks.seed=1"]], REPORT),
    }
    kinds |= {
        "base from nothing": ([], [*base, two]),
        "adversarial from nothing": ([], [*base, *ADVERSARIAL, two]),
        "online from nothing": ([], [*fit, two]),
        "collect from nothing": ([], [*COLLECT, "--episodes=3"]),
        "evaluate from nothing": ([], EVALUATE),
        "report from nothing": ([EVALUATE], REPORT),
    }
    return lambda name: Command(server, tmp_path, *kinds[name])


def leftovers(folder):
    """Hidden files that no command of this package leaves when it ends."""
    return [path for path in folder.rglob(".*") if path.suffix in (".draft", ".old", ".lock")]


def check(command, at, mode):
    """Let one write fail, and look at what is left."""
    command.restore()
    code = command.run(command.args, at, mode)
    said, found = command.said.read_text(), contents(command.work)
    where = f"write {at}, mode {mode}, exit {code}: {said[-2000:]}"
    if code == 0:  # one that does not matter
        assert found == command.after, where
        return
    assert code == 1, where
    assert sum(line.startswith("gbplan: error: ") for line in said.splitlines()) == 1, where
    assert "Traceback" not in said, where
    assert "Exception ignored" not in said, where
    for name in command.before.keys() | found.keys():
        assert found[name] in (command.before.get(name), command.after.get(name)), f"{name}, {where}"
    assert not leftovers(command.work), where


@pytest.mark.slow
@pytest.mark.timeout(7200)  # of fit alone half an hour on an idle machine
@pytest.mark.parametrize("mode", [ONCE, FULL], ids=["once", "full"])
@pytest.mark.parametrize("name", ["collect", "fit", "evaluate", "report"])
def test_every_write_may_fail(command, name, mode):
    it = command(name)
    for at in range(1, it.writes + 1):
        check(it, at, mode)
    print(f"{name}: {it.writes} writes")


KILLS = {"base": 8, "adversarial": 8, "online": 16, "collect": 6, "evaluate": 6, "report": 6}


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", KILLS)
def test_a_killed_command_that_is_run_again_ends_as_if_nothing_had_happened(command, name):
    it, draws = command(f"{name} from nothing"), random.Random(name)
    counts, seconds, kill = Counter(), it.seconds, 0
    while kill < KILLS[name]:
        it.restore()
        number, at, stop = signal.SIGKILL, draws.randint(1, it.writes), None  # within a write, a rename, ...
        if kill % 2:  # or anywhere
            number = [signal.SIGINT, signal.SIGTERM, signal.SIGKILL][kill // 2 % 3]
            at, stop = 0, draws.uniform(0.05, 0.9) * seconds
        begin = time.monotonic()
        code = it.run(it.args, at, KILL, None if stop is None else [number, stop])
        where = f"{signal.Signals(number).name}, write {at}, second {stop}, exit {code}: {it.said.read_text()[-1500:]}"
        if code == 0:  # it was faster
            seconds = min(seconds, time.monotonic() - begin)
            continue
        kill += 1
        counts[signal.Signals(number).name] += 1
        resume = ["--ckpt_path={}/run/last.ckpt"] if (it.work / "run" / "last.ckpt").exists() else []
        assert it.run([*it.args, *resume]) == 0, f"{where} then {it.said.read_text()[-1500:]}"
        assert contents(it.work) == it.after, where
        assert not leftovers(it.work), where
    print(f"{name}: {dict(counts)}")
