"""Fixtures shared by several rooms: a small dataset, and a model trained on it for a moment."""

import gc
import os
import signal

import pytest

# What takes long to import is imported by the fixtures: pytest-xdist reads this file before it starts its processes,
# which would wait for it.

TINY = "door-wall/tiny-v0"

# Equal numbers on every machine, also in the processes that tests start.
os.environ["GBPLAN_CALIBRATE"] = "0"

# A shell starts what it puts into the background with Ctrl-C ignored; the tests of interruption need it, here and in
# the processes they start.
signal.signal(signal.SIGINT, signal.default_int_handler)


# Thousands of tests and whole libraries are never garbage: looking through them takes seconds.
gc.disable()


def pytest_collection_finish():
    gc.freeze()
    gc.enable()


LEFT_OUT = pytest.StashKey[int]()


def pytest_deselected(items):
    if not items[0].config.option.markexpr:  # `-m ''`: they were left out by name
        return
    marked = sum(any(item.get_closest_marker(name) for name in ("end_to_end", "slow")) for item in items)
    config = items[0].config
    config.stash[LEFT_OUT] = config.stash.get(LEFT_OUT, 0) + marked


def pytest_sessionfinish(session):
    if hasattr(session.config, "workeroutput"):  # one of the processes of pytest-xdist, which collect all tests each
        session.config.workeroutput["left out"] = session.config.stash.get(LEFT_OUT, 0)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node):
    node.config.stash[LEFT_OUT] = getattr(node, "workeroutput", {}).get("left out", 0)


def pytest_terminal_summary(terminalreporter, config):
    if count := config.stash.get(LEFT_OUT, 0):
        terminalreporter.write_line(
            f"{count} longer tests were left out; `make test-all` runs them, and `-m ''` those of a file"
        )


@pytest.fixture(scope="session", autouse=True)
def _one_thread():
    """Two tests' threads on two cores would wait for each other."""
    import torch

    torch.set_num_threads(1)


@pytest.fixture
def without_figures(monkeypatch):
    """Evaluations draw nothing, which takes most of the time of a small one."""
    for drawn in ("paths_figure", "imagined_frames"):
        monkeypatch.setattr(f"gbplan.evaluation.run.{drawn}", lambda *given: None)


@pytest.fixture(scope="session")
def dataset_root(tmp_path_factory):
    """Folder with the dataset ``door-wall/tiny-v0``: 60 expert episodes."""
    from gbplan.data import collect
    from gbplan.policies import ExpertPolicy

    root = tmp_path_factory.mktemp("datasets")
    collect("DoorWall-v0", TINY, ExpertPolicy(action_noise=0.3), episodes=60, root=str(root), progress=False)
    return root


@pytest.fixture(scope="session")
def hub(tmp_path_factory):
    """The hub's cache, with a model of the size of facebook/dinov2-small's tokens, but one layer."""
    from dino_folders import write_hub

    cache = tmp_path_factory.mktemp("hub")
    write_hub(cache, hidden_size=384, num_attention_heads=6, num_hidden_layers=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(cache))
        yield cache


@pytest.fixture(scope="session")
def fit(dataset_root):
    """Return a function that runs ``gbplan fit`` with the base configuration on the small dataset."""
    from gbplan.cli import run

    def fit(folder, *args, epochs=2):
        run(
            [
                "fit",
                "--config=configs/door_wall/base.yaml",
                f"--trainer.default_root_dir={folder}",
                f"--trainer.max_epochs={epochs}",
                "--trainer.enable_progress_bar=false",
                "--trainer.enable_model_summary=false",
                "--trainer.check_val_every_n_epoch=1",
                "--checkpoint.every_n_epochs=1",
                f"--data.datasets=[{TINY}]",
                f"--data.root={dataset_root}",
                "--data.batch_size=256",
                "--data.validation_steps=10",
                "--data.validation_fraction=0.2",
                "--model.validation_horizons=[1,5,10]",
                *args,
            ]
        )
        return folder

    return fit


@pytest.fixture(scope="session")
def base_run(fit, tmp_path_factory):
    """Folder of a finished run of two epochs."""
    return fit(tmp_path_factory.mktemp("base") / "run")


@pytest.fixture(scope="session")
def evaluated(base_run, tmp_path_factory):
    """A folder with the results of a model and of a policy on the same four tasks."""
    from gbplan.evaluation import TaskSet, run_evaluation
    from gbplan.planners import GradientPlanner
    from gbplan.policies import Agent, StraightLinePolicy

    folder = tmp_path_factory.mktemp("evaluate")
    few = TaskSet("DoorWall-v0", kind="detour", count=4, split="validation", min_distance=1.0)
    agent = Agent(GradientPlanner(horizon=10, iterations=2, num_samples=4, restarts=1))
    common = {"tasks": few, "thresholds": [0.25, 1.0]}
    run_evaluation(str(folder / "base"), ckpt_path=str(base_run / "last.ckpt"), agent=agent, **common)
    run_evaluation(str(folder / "straight"), policy=StraightLinePolicy(), **common)
    return folder
