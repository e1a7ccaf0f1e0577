import hashlib
from dataclasses import replace

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.spaces import Box, Dict
from jsonargparse import ArgumentParser

from gbplan.data import HELD_OUT_SEEDS, TRAINING_SEEDS, VALIDATION_SEEDS
from gbplan.evaluation import TaskSet, try_tasks


class Plain(gym.Env):
    """Has one kind of tasks, and follows only the chosen options."""

    def __init__(self, heeds=("state", "goal"), render_mode=None):
        box = Box(-10, 10, (2,), np.float32)
        self.observation_space = Dict(observation=box, achieved_goal=box, desired_goal=box)
        self.action_space = Box(-1, 1, (2,), np.float32)
        self.heeds = heeds

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        drawn = {name: self.np_random.uniform(-2, 2, 2).astype(np.float32) for name in ("state", "goal")}
        drawn |= {name: value for name, value in (options or {}).items() if name in self.heeds}
        self.state, self.goal = drawn["state"], drawn["goal"]
        return self._observe(), {"is_success": False}

    def _observe(self):
        return {"observation": self.state.copy(), "achieved_goal": self.state.copy(), "desired_goal": self.goal.copy()}

    def step(self, action):
        self.state = self.state + action
        return self._observe(), 0.0, False, False, {"is_success": False}


if "PlainTasks-v0" not in gym.registry:
    gym.register("PlainTasks-v0", entry_point=Plain, max_episode_steps=5)


def sample(**arguments):
    return TaskSet(**({"env_id": "DoorWall-v0", "kind": "uniform", "min_distance": 1.0} | arguments)).draw()


def test_same_arguments_give_the_same_tasks_and_another_seed_gives_others():
    one, two, other = (sample(count=20, seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one.states, two.states)
    np.testing.assert_array_equal(one.goals, two.goals)
    assert not np.isin(one.seeds, other.seeds).any()


def test_fewer_tasks_are_the_first_of_more():
    few, many = sample(kind="detour", count=8), sample(kind="detour", count=64)
    np.testing.assert_array_equal(few.states, many.states[:8])
    np.testing.assert_array_equal(few.goals, many.goals[:8])


@pytest.mark.parametrize(
    ("arguments", "start", "digest"),
    [
        ({"kind": "uniform", "count": 512, "min_distance": 1.0}, 0, "c81a09cc1d451ce7"),
        ({"kind": "detour", "count": 512, "min_distance": 1.0}, 0, "208f04dfc3ae6767"),
        ({"kind": "detour", "count": 128, "split": "validation"}, 0, "77356e13afe90461"),
        ({"kind": "uniform", "count": 100, "split": "training", "seed": 1}, 0, "00e0c10a9363bc01"),
        ({"kind": "detour", "count": 100, "split": "training", "seed": 1}, 123, "cddc54186bf0c1fb"),
    ],
)
def test_tasks_stay_what_they_were_when_success_was_a_distance(arguments, start, digest):
    tasks = TaskSet("DoorWall-v0", **arguments).draw(start)
    data = np.concatenate([tasks.states, tasks.goals]).astype("<f4").tobytes()
    assert hashlib.sha256(data).hexdigest()[:16] == digest


@pytest.mark.parametrize(
    ("split", "span"), [("held_out", HELD_OUT_SEEDS), ("validation", VALIDATION_SEEDS), ("training", TRAINING_SEEDS)]
)
def test_seeds_lie_in_the_range_of_their_split(split, span):
    seeds = sample(count=10, split=split).seeds
    assert all(int(seed) in span for seed in seeds)


def test_detour_tasks_are_not_solved_by_a_straight_line_through_the_door():
    tasks = sample(kind="detour", count=200)
    (x0, y0), (x1, y1) = tasks.states.T.astype(np.float64), tasks.goals.T.astype(np.float64)
    crossing = y0 + (y1 - y0) * x0 / (x0 - x1)
    assert (x0 * x1 < 0).all()
    assert (np.abs(crossing) > 0.6).all()
    assert (np.abs(y1) > 0.7).all()


def test_no_task_starts_within_the_minimum_distance():
    tasks = sample(count=300, min_distance=1.5)
    assert (np.linalg.norm(tasks.states - tasks.goals, axis=1) > 1.5).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"count": 0}, "count must be at least 1, got 0"),
        ({"split": "test"}, "split must be one of"),
        ({"count": 2, "min_distance": 6.0}, "lower min_distance"),
        ({"env_id": "PlainTasks-v0", "kind": None}, "min_distance needs distances between goals, which PlainTasks-v0"),
        (
            {"kind": "easy"},
            r"DoorWall-v0 has no tasks of kind 'easy' \(tasks.kind, or --kinds\): .* 'uniform', 'detour'",
        ),
        ({"env_id": "gbplan/DoorWall-v0"}, "tasks.env_id names no registered .*; did you mean DoorWall-v0[?]"),
        ({"env_id": "PlainTasks-v0"}, r"takes no argument 'task'.* leave the kind out \(null\)"),
        ({"env_id": None}, "the tasks have no environment; name one with tasks.env_id"),
        ({"min_distance": -1.0}, "min_distance must be finite and not negative, got -1.0"),
        ({"seed": 100_000}, r"seed must lie in 0..\d+"),
        ({"env_id": "CartPole-v1", "kind": None}, "CartPole-v1 is not goal-conditioned"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        sample(**arguments)


def test_stretches_of_a_stream_share_no_task():
    first = sample(count=20, split="training")
    second = TaskSet("DoorWall-v0", None, "uniform", 20, "training", min_distance=1.0).draw(int(first.seeds[-1]) + 1)
    assert first.seeds[-1] < second.seeds[0]
    assert (np.diff(first.seeds) > 0).all()
    np.testing.assert_array_equal(sample(count=40, split="training").states[20:], second.states)


class Bytes(Plain):
    """Has goals that are unsigned integers, next to its start or far from it."""

    def __init__(self, render_mode=None):
        super().__init__()
        goal = Box(0, 255, (1,), np.uint8)
        self.observation_space = Dict(
            observation=self.observation_space["observation"], achieved_goal=goal, desired_goal=goal
        )

    def _observe(self):
        goals = np.uint8([100]), np.uint8([101 if self.state[0] < 0 else 30])
        return {"observation": self.state.copy(), "achieved_goal": goals[0], "desired_goal": goals[1]}

    def goal_distance(self, achieved, desired):
        return np.abs(np.asarray(achieved, float) - np.asarray(desired, float))[..., 0]


if "ByteTasks-v0" not in gym.registry:
    gym.register("ByteTasks-v0", entry_point=Bytes, max_episode_steps=5)


def test_minimum_distance_is_the_environments_own():
    assert (TaskSet("ByteTasks-v0", count=8, min_distance=50.0).draw().goals == 30).all()


def test_environment_with_one_kind_of_tasks_needs_no_task_argument():
    tasks = TaskSet("PlainTasks-v0", count=5).draw()
    assert (len(tasks), tasks.kind) == (5, "default")


def test_probe_shows_an_environment_where_tasks_can_be_set():
    noisy = {"observation_noise": 0.1, "process_noise": 0.1}
    for tasks in (TaskSet("DoorWall-v0", kind="detour"), TaskSet("DoorWall-v0", noisy), TaskSet("PlainTasks-v0")):
        assert try_tasks(tasks).lengths.tolist() == [1] * 8


@pytest.mark.parametrize(
    ("heeds", "message"),
    [
        (("goal",), r"PlainTasks-v0 cannot be put into a state: reset"),
        (("state",), r"PlainTasks-v0 cannot be put into a goal: reset"),
    ],
)
def test_probe_names_what_an_environment_ignores(heeds, message):
    with pytest.raises(ValueError, match=message):
        try_tasks(TaskSet("PlainTasks-v0", {"heeds": heeds}))


def test_kinds_share_all_but_their_name():
    tasks = TaskSet("DoorWall-v0", count=7)
    assert tasks.of_kinds(["uniform", "detour"]) == [replace(tasks, kind="uniform"), replace(tasks, kind="detour")]
    assert tasks.of_kinds([]) == [tasks]
    assert [each.name for each in (tasks, replace(tasks, kind="detour"))] == ["default", "detour"]
    with pytest.raises(ValueError, match="repeat a kind of tasks"):
        tasks.of_kinds(["detour", "detour"])


def test_a_command_may_change_a_part_of_it():
    def command(tasks: TaskSet = TaskSet("DoorWall-v0", count=9, split="validation")) -> None: ...  # noqa: B008

    parser = ArgumentParser(exit_on_error=False)
    parser.add_function_arguments(command, sub_configs=True)
    parsed = parser.parse_args(["--tasks.kind=detour", "--tasks.env_kwargs.door_center=1"])
    assert parser.instantiate(parsed).tasks == TaskSet("DoorWall-v0", {"door_center": 1}, "detour", 9, "validation")


@pytest.mark.parametrize(("kind", "numbers"), [("segment", 6), ("pose", 6), (None, 4)])
def test_pushed_blocks_have_tasks_of_their_kinds(kind, numbers):
    tasks = TaskSet("gbplan/PushT-v0", {"success": "both" if kind else "block"}, kind=kind, count=3)
    assert tasks.draw().goals.shape == (3, numbers)
    assert not try_tasks(tasks).infos["is_success"].all()


def test_two_processes_draw_the_tasks_of_one():
    tasks = TaskSet("gbplan/PushT-v0", kind="segment", count=5)
    one, two = tasks.draw(start=3), tasks.draw(start=3, num_processes=2)
    for name in ("states", "goals", "seeds"):
        assert np.array_equal(getattr(one, name), getattr(two, name))


def test_environment_that_tasks_are_set_in_receives_their_kind_and_keeps_its_noise():
    tasks = sample(kind="detour", count=2, env_kwargs={"process_noise": 0.02})
    assert tasks.env_kwargs == {"process_noise": 0.02, "task": "detour"}
    assert TaskSet("PlainTasks-v0", count=2).draw().env_kwargs == {}
