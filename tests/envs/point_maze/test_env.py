import doctest
import pickle
import warnings

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import gbplan.envs.point_maze.env
from gbplan.envs import optional_method
from gbplan.envs.contract import MADE_FOR, require_contract

ID = "gbplan/PointMaze-v0"
WORLDS = [{}, {"maze": "medium", "reward_type": "dense"}, {"maze": "large", "task": "detour", "continuing_task": True}]


def make(**world):
    return gym.make(ID, **world).unwrapped


def begin(state, goal, **world):
    env = make(**world)
    env.reset(seed=0, options={"state": state, "goal": goal})
    return env


@pytest.mark.parametrize("world", WORLDS)
def test_checkers_have_nothing_to_say(world):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(make(render_mode="rgb_array", **world))


@pytest.mark.parametrize("world", WORLDS)
def test_stable_baselines3_checker_has_nothing_to_say(world):
    checker = pytest.importorskip("stable_baselines3.common.env_checker")
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        checker.check_env(make(**world))


@pytest.mark.parametrize("world", WORLDS)
def test_contract_is_kept_within_the_time_limit(world):
    assert require_contract(ID, world) == 200


def test_optional_methods_are_all_but_a_differentiable_simulator():
    assert {name for name in MADE_FOR if optional_method(gym.make(ID), name)} == set(MADE_FOR) - {"simulator"}


def test_docstring_example_runs():
    tried = doctest.testmod(gbplan.envs.point_maze.env)
    assert tried.attempted > 0
    assert tried.failed == 0


def test_options_set_the_task_exactly_and_what_was_observed_goes_on_the_same_way():
    env, other = make(maze="medium", continuing_task=True), make(maze="medium", continuing_task=True)
    observation, _ = env.reset(seed=3)
    actions = np.random.default_rng(0).uniform(-1, 1, (40, 2)).astype(np.float32)
    for step, action in enumerate(actions):
        if step % 10 == 0:  # also in the middle of an episode, whatever the other one did before
            again, _ = other.reset(
                seed=step, options={"state": observation["observation"], "goal": observation["desired_goal"]}
            )
            for key in observation:
                np.testing.assert_array_equal(again[key], observation[key])
        observation, *outcome = env.step(action)
        again, *other_outcome = other.step(action)
        for key in observation:
            np.testing.assert_array_equal(again[key], observation[key])
        assert outcome == other_outcome


def test_actions_are_clipped_and_push_along_their_axes():
    env, other = begin([-1, 1], [1, -1]), begin([-1, 1], [1, -1])
    observation, reward, terminated, truncated, info = env.step(np.array([9.0, 0.0]))
    np.testing.assert_array_equal(observation["observation"], other.step(np.float32([1, 0]))[0]["observation"])
    x, y, vx, vy = observation["observation"]
    assert (y, vy) == (1, 0)
    assert x > -1
    assert vx == pytest.approx(0.05 * 100 / 4.189, rel=0.02)
    assert (reward, terminated, truncated) == (-1.0, False, False)
    assert info == {"is_success": False, "distance": pytest.approx(np.hypot(1 - x, 2)), "contact": False}


def test_success_is_nearer_than_the_threshold_and_ends_the_episode_unless_the_task_continues():
    for threshold, near in ((0.45, True), (0.3, False)):
        for continuing in (False, True):
            env = begin([-1, 1], [-0.6, 1], goal_threshold=threshold, continuing_task=continuing)
            _, reward, terminated, _, info = env.step(np.zeros(2))
            assert info["is_success"] is near
            assert reward == (0.0 if near else -1.0)
            assert terminated is (near and not continuing)


@pytest.mark.parametrize("world", WORLDS)
def test_reward_and_ends_agree_exactly_with_the_compute_methods(world):
    env = make(**world)
    expert = env.expert()
    for seed in range(3):
        observation, info = env.reset(seed=seed)
        assert not info["is_success"]
        assert not info["contact"]
        for _ in range(100):
            observation, reward, terminated, truncated, info = env.step(expert.act(observation))
            goals = observation["achieved_goal"], observation["desired_goal"], info
            assert reward == env.compute_reward(*goals)
            assert terminated == env.compute_terminated(*goals)
            assert truncated == env.compute_truncated(*goals)
            if info["is_success"]:
                break
        assert info["is_success"]


def test_pickling_keeps_the_middle_of_an_episode():
    env = make()
    env.reset(seed=0)
    env.step(np.ones(2))
    restored = pickle.loads(pickle.dumps(env))
    for action in np.random.default_rng(0).uniform(-1, 1, (10, 2)):
        np.testing.assert_array_equal(env.step(action)[0]["observation"], restored.step(action)[0]["observation"])


def test_refused_options_leave_the_episode_as_it_was():
    env = begin([-1, 1], [1, -1])
    with pytest.raises(ValueError, match=r"options\['goal'\] is \[0.0, 0.0\]; choose a place in a free cell"):
        env.reset(options={"state": [1, 0], "goal": [0, 0]})
    with pytest.raises(ValueError, match="reset options are 'state', 'goal', got 'reset_cell'"):
        env.reset(options={"reset_cell": [1, 1]})
    assert env.step(np.zeros(2))[0]["observation"].tolist() == [-1, 1, 0, 0]


def test_wrong_actions_and_steps_before_reset_are_refused():
    env = begin([-1, 1], [1, -1])
    with pytest.raises(gym.error.InvalidAction, match=r"shape \(2,\), got \(3,\)"):
        env.step(np.zeros(3))
    with pytest.raises(gym.error.InvalidAction, match="must not be NaN"):
        env.step(np.array([0.0, np.nan]))
    with pytest.raises(gym.error.ResetNeeded, match="stepped before its first reset"):
        make().step(np.zeros(2))
    with pytest.raises(gym.error.ResetNeeded, match="rendered before its first reset"):
        make(render_mode="rgb_array").render()


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"maze": "tiny"}, ValueError, r"maze must be one of \['umaze', 'medium', 'large'\], got 'tiny'"),
        ({"maze": ["#"]}, ValueError, r"maze must be one of"),
        ({"task": "far"}, ValueError, r"task must be one of \['uniform', 'detour'\], got 'far'"),
        ({"reward_type": "shaped"}, ValueError, "reward_type must be one of"),
        ({"frame_skip": 0}, ValueError, r"frame_skip must lie in 1\.\.10, got 0"),
        ({"frame_skip": 2.5}, TypeError, "frame_skip must be a whole number, got 2.5"),
        ({"start_speed": np.nan}, ValueError, r"start_speed must lie in 0\.\.5, got nan"),
        ({"goal_threshold": "near"}, TypeError, "goal_threshold must be a number, got 'near'"),
        ({"goal_threshold": 2.0}, ValueError, r"goal_threshold must lie in 0\.01\.\.1, got 2\.0"),
        ({"continuing_task": "no"}, TypeError, "continuing_task must be True or False, got 'no'"),
        ({"mase": "umaze"}, TypeError, r"no argument 'mase' \(it has maze, task, .*, render_mode\)"),
    ],
)
def test_wrong_arguments_are_refused_in_one_line(arguments, error, message):
    for make_any in (gym.make, gym.make_vec):
        with pytest.raises(error, match=message) as raised:
            make_any(ID, **arguments)
        assert "\n" not in str(raised.value)
