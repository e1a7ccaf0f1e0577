import doctest
import pickle
import subprocess
import sys
import warnings

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import gbplan.envs.door_wall.env
from gbplan.envs.door_wall.contact import SKIN

WORLDS = [
    {},
    {"dynamics": "velocity", "contact": "stop"},
    {"process_noise": 0.02, "observation_noise": 0.05, "reward_type": "dense"},
    {"dynamics": "velocity", "observation_noise": 0.1, "continuing_task": True, "task": "detour"},
]


def make(**world):
    return gym.make("DoorWall-v0", **world).unwrapped


def begin(state, goal, **world):
    env = make(**world)
    env.reset(seed=0, options={"state": state, "goal": goal})
    return env


@pytest.mark.parametrize("world", WORLDS)
def test_gymnasium_checker_has_nothing_to_say(world):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(make(render_mode="rgb_array", **world))


@pytest.mark.parametrize("world", WORLDS)
def test_stable_baselines3_checker_has_nothing_to_say(world):
    checker = pytest.importorskip("stable_baselines3.common.env_checker")
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        checker.check_env(make(**world))


def test_registered_without_an_import_and_without_torch():
    program = (
        "import sys, gymnasium; env = gymnasium.make('gbplan:DoorWall-v0'); env.reset();"
        "assert 'torch' not in sys.modules and env.spec.max_episode_steps == 100"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True)


def test_docstring_example_runs():
    assert doctest.testmod(gbplan.envs.door_wall.env).attempted > 0
    assert doctest.testmod(gbplan.envs.door_wall.env).failed == 0


def test_step_moves_by_the_clipped_action():
    env = begin([-1.0, 0.5], [1.0, 1.0], step_size=0.25)
    observation, reward, terminated, truncated, info = env.step(np.array([5.0, -0.5]))
    np.testing.assert_array_equal(observation["observation"], [-0.75, 0.375])
    np.testing.assert_array_equal(observation["achieved_goal"], [-0.75, 0.375])
    np.testing.assert_array_equal(observation["desired_goal"], [1.0, 1.0])
    assert (reward, terminated, truncated) == (-1.0, False, False)
    assert info == {"is_success": False, "distance": pytest.approx(np.hypot(1.75, 0.625)), "contact": False}


def test_velocity_builds_up_is_damped_and_limited():
    env = begin([-1.0, 0.0], [1.0, 1.0], dynamics="velocity", acceleration=0.1, damping=0.5, max_speed=0.14)
    speeds, x = [], -1.0
    for _ in range(3):
        observation, *_ = env.step(np.array([1.0, 0.0]))
        speeds.append(observation["observation"][2])
        x += speeds[-1]
        assert observation["observation"][0] == pytest.approx(x)
    # 0.1, 0.5 * 0.1 + 0.1 = 0.15 above the limit, 0.5 * 0.14 + 0.1 above the limit; then damping alone.
    assert speeds == pytest.approx([0.1, 0.14, 0.14])
    assert env.step(np.zeros(2))[0]["observation"][2] == pytest.approx(0.07)


@pytest.mark.parametrize("contact", ["slide", "stop"])
def test_velocity_into_a_wall_becomes_zero_and_along_it_stays(contact):
    env = begin([-0.05, 1.0, 0.1, 0.1], [1.0, 1.0], dynamics="velocity", damping=0.0, contact=contact)
    observation, *_, info = env.step(np.zeros(2))
    x, y, vx, vy = observation["observation"]
    assert info["contact"]
    assert (x, vx, vy) == (pytest.approx(-SKIN), 0.0, pytest.approx(0.1))
    assert y == pytest.approx(1.1 if contact == "slide" else 1.0 + 0.1 * (0.05 - SKIN) / 0.1)


def test_velocity_away_from_the_wall_survives_a_push_by_noise():
    env = begin([0.0011, 1.0, 0.001, 0.0], [-1.0, 1.0], dynamics="velocity", damping=0.0, process_noise=0.1)
    for seed in range(20):
        env.reset(seed=seed, options={"state": [0.0011, 1.0, 0.001, 0.0], "goal": [-1.0, 1.0]})
        observation, *_, info = env.step(np.zeros(2))
        assert observation["observation"][2] == pytest.approx(0.001)
    assert info["contact"] in (True, False)


def test_success_ends_the_episode_unless_the_task_continues():
    for continuing in (False, True):
        env = begin([-1.0, 0.0], [-1.15, 0.0], continuing_task=continuing)
        _, reward, terminated, _, info = env.step(np.array([-1.0, 0.0]))
        assert info["is_success"]
        assert reward == 0.0
        assert terminated is not continuing


def test_dense_reward_is_minus_the_distance():
    env = begin([-1.0, 0.0], [-1.0, 0.5], reward_type="dense")
    assert env.step(np.zeros(2))[1] == -0.5


@pytest.mark.parametrize("world", WORLDS)
def test_reward_and_ends_agree_exactly_with_the_compute_methods(world):
    env = make(**{**world, "goal_threshold": 0.5})
    expert = env.expert()
    for seed in range(5):
        observation, info = env.reset(seed=seed)
        assert not info["is_success"]
        assert not info["contact"]
        for _ in range(60):
            observation, reward, terminated, truncated, info = env.step(expert.act(observation))
            goals = observation["achieved_goal"], observation["desired_goal"], info
            assert reward == env.compute_reward(*goals)
            assert terminated == env.compute_terminated(*goals)
            assert truncated == env.compute_truncated(*goals)
            if terminated:
                break


def test_options_set_the_task_exactly_and_an_observed_task_can_be_set_again():
    env = make(task="detour")
    first, _ = env.reset(seed=3)
    again, _ = env.reset(seed=8, options={"state": first["observation"], "goal": first["desired_goal"]})
    for key in first:
        np.testing.assert_array_equal(first[key], again[key])


def test_goal_on_the_very_border_is_accepted():
    begin([-1.0, 0.0], [2.0, -2.0])


def test_refused_options_leave_the_episode_as_it_was():
    env = begin([-1.0, 0.0], [1.0, 0.0])
    with pytest.raises(ValueError, match="goal"):
        env.reset(options={"state": [-0.5, 0.0], "goal": [9.0, 0.0]})
    assert env.step(np.zeros(2))[0]["observation"][0] == -1.0


def test_same_seed_same_episode_and_pickling_keeps_the_middle_of_one():
    env, other = make(process_noise=0.05, observation_noise=0.05), make(process_noise=0.05, observation_noise=0.05)
    env.reset(seed=4)
    other.reset(seed=4)
    actions = np.random.default_rng(0).uniform(-1, 1, (20, 2))
    for action in actions[:10]:
        np.testing.assert_array_equal(env.step(action)[0]["observation"], other.step(action)[0]["observation"])
    restored = pickle.loads(pickle.dumps(env))
    for action in actions[10:]:
        np.testing.assert_array_equal(env.step(action)[0]["observation"], restored.step(action)[0]["observation"])


def test_noise_has_the_stated_deviation_and_spares_the_achieved_goal():
    env = begin([-1.0, 0.0], [1.0, 0.0], process_noise=0.03, observation_noise=0.2)
    moves, errors = [], []
    for _ in range(2000):
        env.reset(options={"state": [-1.0, 0.0], "goal": [1.0, 0.0]})
        observation, *_ = env.step(np.zeros(2))
        moves.append(observation["achieved_goal"] - [-1.0, 0.0])
        errors.append(observation["observation"] - observation["achieved_goal"])
    assert np.std(moves) == pytest.approx(0.03, rel=0.06)
    assert np.std(errors) == pytest.approx(0.2, rel=0.06)


def test_action_of_wrong_shape_or_nan_is_refused():
    env = begin([-1.0, 0.0], [1.0, 0.0])
    with pytest.raises(gym.error.InvalidAction, match=r"shape \(2,\), got \(3,\)"):
        env.step(np.zeros(3))
    with pytest.raises(gym.error.InvalidAction, match="must not be NaN"):
        env.step(np.array([0.0, np.nan]))


def test_step_or_render_before_reset_is_refused():
    with pytest.raises(gym.error.ResetNeeded, match="stepped before its first reset"):
        make().step(np.zeros(2))
    with pytest.raises(gym.error.ResetNeeded, match="rendered before its first reset"):
        make(render_mode="rgb_array").render()


def test_unknown_render_mode_or_argument_is_refused():
    with pytest.raises(ValueError, match="render_mode must be None or 'rgb_array', got 'ansi'"):
        gbplan.envs.door_wall.env.DoorWallEnv(render_mode="ansi")
    for make_any in (gym.make, gym.make_vec):
        with pytest.raises(TypeError, match=r"no argument 'door_centre' \(it has .*, door_center, .*, render_mode\)"):
            make_any("DoorWall-v0", door_centre=0.0)
