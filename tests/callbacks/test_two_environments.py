"""Two callbacks of a kind, in two environments, are part of one training."""

import numpy as np
import pytest
import torch

from gbplan.callbacks import OnlineWorldModeling, PlanningValidation
from gbplan.data import read_dataset
from gbplan.evaluation import TaskSet
from gbplan.planners import GradientPlanner
from gbplan.policies import Agent

AGENT = Agent(GradientPlanner(horizon=8, iterations=2, num_samples=4, restarts=1))
SHORT, LONG = {"max_episode_steps": 9}, {"max_episode_steps": 12}


def with_another(door_wall_fit, folder, epochs, root=None, **more):
    """Train with rounds of four tasks of at most 9 steps, and others of one task of at most 12."""
    write = {} if root is None else {"write_root": str(root), "overwrite": True}
    given = [{} if root is None else {"write_to": f"door-wall/{name}-v0"} | write for name in ("first", "second")]
    rounds = {"open_loop_fraction": 0.0, "tasks": {"env_kwargs": SHORT}} | given[0]
    second = OnlineWorldModeling(
        AGENT, TaskSet("DoorWall-v0", LONG, count=1, split="training", seed=2), open_loop_fraction=0.0,
        figure_tasks=0, name="second", **given[1],
    )  # fmt: skip
    validations = [
        PlanningValidation(AGENT, TaskSet("DoorWall-v0", world, count=2, split="validation"), 1, name=name)
        for name, world in (("val", SHORT), ("val2", LONG))
    ]
    loop, module, data = door_wall_fit(folder, epochs, rounds=rounds, more=[second, *validations], **more)
    return loop, module, data, [loop.callbacks[0], second]


def test_both_fill_one_buffer_and_log_under_their_names(door_wall_fit, tmp_path):
    loop, _, data, callbacks = with_another(door_wall_fit, tmp_path, 2)
    assert [callback.rounds for callback in callbacks] == [2, 2]
    assert sum(callback.transitions for callback in callbacks) == data.buffer.added == len(data.buffer)
    logged = {name: float(value) for name, value in loop.callback_metrics.items()}
    assert [logged["online/transitions"], logged["second/transitions"]] == [each.transitions for each in callbacks]
    assert {"val/success", "val2/success"} <= logged.keys()
    lengths = data.buffer.lengths.tolist()  # a model hardly trained arrives nowhere: the time limits tell them apart
    assert lengths == [9, 9, 9, 9, 12] * 2


@pytest.mark.end_to_end
def test_resumed_run_of_both_equals_the_uninterrupted_one(door_wall_fit, tmp_path):
    *whole, callbacks = with_another(door_wall_fit, tmp_path / "whole", 3, tmp_path)
    with_another(door_wall_fit, tmp_path / "parts", 2, tmp_path)
    checkpoint = tmp_path / "parts" / "last.ckpt"
    assert {"OnlineWorldModeling", "OnlineWorldModeling second"} <= torch.load(checkpoint)["callbacks"].keys()
    *parts, resumed = with_another(door_wall_fit, tmp_path / "parts", 3, tmp_path, ckpt_path=checkpoint, seed=5)
    for name, value in whole[1].state_dict().items():
        assert torch.equal(value, parts[1].state_dict()[name]), name
    assert parts[2].buffer.state_dict() == whole[2].buffer.state_dict()
    assert [each.state_dict() for each in resumed] == [each.state_dict() for each in callbacks]


def test_each_writes_its_own_episodes(door_wall_fit, tmp_path):
    _, _, data, _ = with_another(door_wall_fit, tmp_path, 2, tmp_path)
    rounds = list(data.buffer.episodes(everything=True))
    for name, parts, length in (("first", rounds[0::2], 9), ("second", rounds[1::2], 12)):
        episodes, _ = read_dataset(f"door-wall/{name}-v0", tmp_path)
        assert set(episodes.lengths.tolist()) == {length}
        np.testing.assert_array_equal(episodes.actions, np.concatenate([part.actions for part in parts]))


def test_one_dataset_of_both_is_refused(door_wall_fit, tmp_path):
    writing = {"write_to": "door-wall/both-v0", "write_root": str(tmp_path)}
    tasks = TaskSet("DoorWall-v0", LONG, count=1, split="training", seed=2)
    second = OnlineWorldModeling(AGENT, tasks, name="second", **writing)
    with pytest.raises(ValueError, match="two callbacks write the dataset door-wall/both-v0"):
        door_wall_fit(tmp_path, 1, rounds=writing, more=[second])
