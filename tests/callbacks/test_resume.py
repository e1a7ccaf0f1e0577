"""A run that was stopped and resumed equals the one that was not, bit for bit."""

import numpy as np
import pytest
import torch

from gbplan.callbacks import OnlineWorldModeling
from gbplan.data import Trajectories, read_dataset
from gbplan.planners import CEMPlanner, GradientPlanner
from gbplan.policies import Agent

EPOCHS = 3


def contents(loop, module, data):
    """Everything that should be the same."""
    callback = loop.callbacks[0]
    counts = (callback.rounds, callback.transitions, callback._seeds_used, loop.global_step, data.buffer.added)
    optimizer = loop.optimizers[0].state_dict()["state"]
    moments = [value for state in optimizer.values() for value in state.values()]
    return (counts, data.buffer.state_dict()), [*module.state_dict().values(), *moments]


def assert_same(one, two):
    (counts, tensors), (other_counts, other_tensors) = contents(*one), contents(*two)
    assert counts == other_counts
    assert len(tensors) == len(other_tensors)
    assert all(torch.equal(a, b) for a, b in zip(tensors, other_tensors, strict=True))


@pytest.fixture(scope="session")
def whole_runs():
    return {}


@pytest.fixture
def whole(whole_runs, door_wall_fit, tmp_path_factory):
    """The uninterrupted run with these settings, trained once."""

    def run(**settings):
        key = repr(sorted(settings.items()))
        if key not in whole_runs:
            whole_runs[key] = door_wall_fit(tmp_path_factory.mktemp("whole"), EPOCHS, **settings)
        return whole_runs[key]

    return run


SAVED_BEFORE = {"checkpoint": {"save_on_train_epoch_end": False}}
SECOND = {"checkpoint": {"monitor": "val/loss"}, "check_val_every_n_epoch": 2}
BEST = {"checkpoint": {"monitor": "online/success", "mode": "max"}}
UNVALIDATED = {"limit_val_batches": 0, "rounds": {"every_n_epochs": 2}}


@pytest.mark.end_to_end
@pytest.mark.parametrize(
    ("stop_after", "settings"),
    [
        pytest.param(1, {}, id="after the first round"),
        pytest.param(2, {}, id="after the second round", marks=pytest.mark.slow),
        pytest.param(1, SAVED_BEFORE, id="saved before the first round"),
        pytest.param(2, SAVED_BEFORE, id="saved before the second round", marks=pytest.mark.slow),
        pytest.param(2, SECOND, id="saved by every other validation"),
        pytest.param(2, BEST, id="best so far kept", marks=pytest.mark.slow),
        pytest.param(2, UNVALIDATED, id="between two rounds", marks=pytest.mark.slow),
    ],
)
def test_run_stopped_between_rounds_and_resumed_equals_the_uninterrupted_one(
    door_wall_fit, whole, tmp_path, stop_after, settings
):
    door_wall_fit(tmp_path, stop_after, **settings)
    resumed = door_wall_fit(tmp_path, EPOCHS, tmp_path / "last.ckpt", seed=123, **settings)
    assert_same(resumed, whole(**settings))


@pytest.mark.end_to_end
@pytest.mark.parametrize("processes", [(2, 2), (1, 2)], ids=["always two", "two after the resumption"])
def test_rounds_in_two_processes_equal_those_in_one(door_wall_fit, whole, tmp_path, processes):
    before, after = ({"rounds": {"num_processes": number}} for number in processes)
    door_wall_fit(tmp_path, 1, **before)
    resumed = door_wall_fit(tmp_path, EPOCHS, tmp_path / "last.ckpt", seed=123, **after)
    assert_same(resumed, whole())


class Crash(Exception):
    pass


@pytest.mark.end_to_end
@pytest.mark.parametrize("stop_in", ["plan", "extend", "log"])
def test_run_that_fails_within_a_round_and_is_resumed_equals_the_uninterrupted_one(
    door_wall_fit, whole, tmp_path, monkeypatch, stop_in
):
    calls = []

    def crash(*args, **kwargs):
        calls.append(args)
        if len(calls) == (12 if stop_in == "plan" else 2):
            raise Crash
        return original(*args, **kwargs)

    owner, name = {
        "plan": (GradientPlanner, "plan"),
        "extend": (OnlineWorldModeling, "_run_round"),
        "log": (OnlineWorldModeling, "_draw"),
    }[stop_in]
    original = getattr(owner, name)
    monkeypatch.setattr(owner, name, crash)
    with pytest.raises(Crash):
        door_wall_fit(tmp_path, EPOCHS)
    monkeypatch.undo()
    resumed = door_wall_fit(tmp_path, EPOCHS, tmp_path / "last.ckpt", seed=123)
    assert_same(resumed, whole())


@pytest.mark.end_to_end
def test_written_dataset_of_a_resumed_run_contains_the_rounds_before_it_too(door_wall_fit, whole, tmp_path):
    rounds = {"write_to": "door-wall/online-v0", "write_root": str(tmp_path), "overwrite": True}
    door_wall_fit(tmp_path, 2, rounds=rounds)
    checkpoint = torch.load(tmp_path / "last.ckpt", weights_only=True)
    assert len(checkpoint["callbacks"]["OnlineWorldModeling"]["seeds"]) == 8
    door_wall_fit(tmp_path, EPOCHS, tmp_path / "last.ckpt", rounds=rounds)
    episodes, _ = read_dataset("door-wall/online-v0", tmp_path)
    assert len(episodes) == 4 * EPOCHS
    collected = Trajectories.concatenate(list(whole()[2].buffer.episodes()))
    for key, array in collected.observations.items():
        assert np.array_equal(episodes.observations[key], array), key
    assert np.array_equal(episodes.actions, collected.actions)


def test_state_is_plain_data(door_wall_fit, tmp_path):
    rounds = {"write_to": "door-wall/online-v0", "write_root": str(tmp_path)}
    door_wall_fit(tmp_path, 1, rounds=rounds)
    state = torch.load(tmp_path / "last.ckpt", weights_only=True)["callbacks"]["OnlineWorldModeling"]
    assert (state["rounds"], state["seeds_used"] >= 4) == (1, True)
    assert state["configuration"]["agent"]["planner"]["class"] == "GradientPlanner"
    assert state["configuration"]["agent"]["planner"]["horizon"] == 8


@pytest.mark.end_to_end
@pytest.mark.parametrize(
    ("rounds", "message"),
    [
        ({"tasks": {"count": 3, "seed": 2}}, r"\(tasks.count: 2, now 3; tasks.seed: 1, now 2\)"),
        ({"agent": Agent(GradientPlanner(8, 3, num_samples=4, restarts=1))}, r"\(agent.planner.iterations: 2, now 3\)"),
        ({"agent": Agent(CEMPlanner(horizon=8))}, r"planner.class: GradientPlanner, now CEMPlanner; .*elites: absent"),
        ({"tasks": {"env_kwargs": {"max_episode_steps": 9}}}, r"\(tasks.env_kwargs.max_episode_steps: 16, now 9\)"),
        ({"write_to": "door-wall/online-v0"}, "its first 1 rounds were not kept; leave it out"),
    ],
)  # fmt: skip
def test_resuming_with_another_configuration_is_refused_by_name(door_wall_fit, tmp_path, rounds, message):
    door_wall_fit(tmp_path, 1)
    before = (tmp_path / "last.ckpt").read_bytes()
    with pytest.raises(ValueError, match=message):
        door_wall_fit(tmp_path, 2, tmp_path / "last.ckpt", rounds=rounds | {"write_root": str(tmp_path)})
    assert (tmp_path / "last.ckpt").read_bytes() == before


def test_what_decides_no_data_may_change_on_resuming(door_wall_fit, whole, tmp_path):
    door_wall_fit(tmp_path, 2)
    resumed = door_wall_fit(tmp_path, EPOCHS, tmp_path / "last.ckpt", rounds={"figure_tasks": 3, "overwrite": True})
    assert_same(resumed, whole())


def test_a_checkpoint_without_the_buffer_of_its_rounds_is_refused(door_wall_fit, tmp_path):
    door_wall_fit(tmp_path, 1)
    checkpoint = torch.load(tmp_path / "last.ckpt", weights_only=True)
    del checkpoint["TrajectoryDataModule"]
    torch.save(checkpoint, tmp_path / "without.ckpt")
    with pytest.raises(ValueError, match="does not name the replay buffer that holds them"):
        door_wall_fit(tmp_path / "run", 2, ckpt_path=tmp_path / "without.ckpt")
