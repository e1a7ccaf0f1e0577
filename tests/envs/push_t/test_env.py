import doctest
import pickle
import subprocess
import sys
import warnings

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import gbplan.envs.push_t.env
from gbplan.data import HELD_OUT_SEEDS, episode_seeds, make_vector_env, run_episodes
from gbplan.envs import optional_method
from gbplan.envs.contract import require_contract
from gbplan.policies import ExpertPolicy

ID = "gbplan/PushT-v0"
WORLDS = [{}, {"task": "pose", "success": "block", "reward_type": "dense"}, {"continuing_task": True, "friction": 0.5}]
STATE, GOAL = [200.0, 100.0, 200.0, 130.0, 0.0], [300.0, 300.0, 250.0, 100.0, 0.0]


def make(**world):
    return gym.make(ID, **world).unwrapped


def begin(state=STATE, goal=GOAL, **world):
    env = make(**world)
    return env, *env.reset(seed=0, options={"state": state, "goal": goal})


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


@pytest.mark.parametrize("world", WORLDS)
def test_contract_is_kept(world):
    assert require_contract(ID, world) == 150
    assert require_contract("gbplan/PushTPixels-v0", {**world, "size": 16, "max_episode_steps": 50}) == 50


def test_pymunk_is_loaded_when_it_is_played_and_torch_never():
    program = (
        "import sys, gymnasium, gbplan; assert 'pymunk' not in sys.modules;"
        f"gymnasium.make('{ID}').reset(seed=0); assert 'pymunk' in sys.modules and 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_docstring_example_runs():
    assert doctest.testmod(gbplan.envs.push_t.env).attempted > 0
    assert doctest.testmod(gbplan.envs.push_t.env).failed == 0


@pytest.mark.parametrize(
    ("goal", "both", "block"),
    [
        ([200, 100, 200, 130, 0.0], True, True),
        ([200, 119, 200, 130, 0.0], True, True),
        ([200, 121, 200, 130, 0.0], False, True),  # the agent alone is 21 px off
        ([200, 100, 200, 149, 0.0], True, True),
        ([200, 100, 200, 151, 0.0], False, False),
        ([215, 100, 215, 130, 0.0], False, True),  # 15 px each are 21 together
        ([200, 100, 200, 130, 0.34], True, True),  # pi / 9 is 0.349
        ([200, 100, 200, 130, 0.36], False, False),
        ([200, 100, 200, 130, -0.36], False, False),
    ],
)
def test_success_is_20_pixels_and_a_ninth_of_pi(goal, both, block):
    env = make()
    achieved = env.reset(seed=0, options={"state": STATE})[0]["achieved_goal"]
    wanted = np.array([*goal[:4], np.cos(goal[4]), np.sin(goal[4])])
    assert env.compute_success(achieved, wanted) == both
    assert env.compute_success(achieved[2:], wanted[2:]) == block
    assert begin(goal=goal[2:], success="block")[2]["is_success"] == block


def test_coverage_and_errors_are_in_the_info():
    info = begin(goal=[250, 100, 230, 130, 0.1])[2]
    assert info["position_error"] == pytest.approx(np.hypot(50, 30), abs=1e-4)
    assert info["angle_error"] == pytest.approx(0.1, abs=1e-6)
    assert begin(goal=[*STATE[:4], 0.0])[2]["coverage"] == pytest.approx(1.0)
    assert begin(goal=[230, 130, 0.0], success="block")[2]["coverage"] == pytest.approx(90 * 30 / 6300)


@pytest.mark.parametrize("world", WORLDS)
def test_reward_and_ends_agree_exactly_with_the_compute_methods(world):
    env = make(**world)
    seen = []
    for seed in range(3):
        observation, info = env.reset(seed=seed)
        assert not info["is_success"]
        assert not info["contact"]
        for _ in range(20):
            action = env.np_random.uniform(-1.5, 1.5, 2)
            observation, reward, terminated, truncated, info = env.step(action)
            assert observation in env.observation_space
            goals = observation["achieved_goal"], observation["desired_goal"], info
            assert reward == env.compute_reward(*goals)
            assert terminated == env.compute_terminated(*goals)
            assert truncated == env.compute_truncated(*goals)
            seen.append((*goals[:2], reward))
    achieved, desired, rewards = map(np.array, zip(*seen, strict=True))
    np.testing.assert_array_equal(env.compute_reward(achieved, desired), rewards)


def test_success_ends_the_episode_unless_the_task_continues():
    for continuing in (False, True):
        env, _, info = begin(goal=[200, 150, 0.0], success="block", continuing_task=continuing)
        assert not info["is_success"]
        while not info["is_success"]:
            _, reward, terminated, _, info = env.step([0.0, 0.1])
        assert reward == 0.0
        assert terminated is not continuing
        assert info["position_error"] < 20


def test_observed_state_can_be_set_again_and_goes_on_the_same_to_the_bit():
    env, other = make(task="pose"), make(task="pose")
    observation, _ = env.reset(seed=4)
    rng = np.random.default_rng(0)
    for _ in range(15):
        target = observation["observation"][2:4] - observation["observation"][:2]
        observation, *_ = env.step(target / 50 + 0.3 * rng.standard_normal(2))
    begun, _ = other.reset(seed=9, options={"state": observation["observation"], "goal": observation["desired_goal"]})
    for key in begun:
        np.testing.assert_array_equal(begun[key], observation[key])
    for action in rng.uniform(-1, 1, (15, 2)):
        one, *_, info = env.step(action)
        two, *_, other_info = other.step(action)
        np.testing.assert_array_equal(one["observation"], two["observation"])
        assert info == other_info


def test_actions_are_clipped_and_wrong_ones_refused():
    one, other = begin()[0], begin()[0]
    np.testing.assert_array_equal(one.step([5.0, -0.5])[0]["observation"], other.step([1.0, -0.5])[0]["observation"])
    with pytest.raises(gym.error.InvalidAction, match=r"shape \(2,\), got \(3,\)"):
        one.step(np.zeros(3))
    with pytest.raises(gym.error.InvalidAction, match="must not be NaN"):
        one.step([0.0, np.nan])


def test_refused_options_leave_the_episode_as_it_was():
    env, observation, _ = begin()
    with pytest.raises(ValueError, match="keep the agent on the table"):
        env.reset(options={"state": STATE, "goal": [900.0, *GOAL[1:]]})
    with pytest.raises(ValueError, match="reset options are 'state', 'goal', got 'start'"):
        env.reset(options={"start": STATE})
    assert env.step([0.0, 0.0])[0]["observation"][0] == observation["observation"][0]


def test_pickling_keeps_the_middle_of_an_episode():
    env, *_ = begin()
    env.step([0.1, 0.3])
    restored = pickle.loads(pickle.dumps(env))
    for _ in range(5):
        np.testing.assert_array_equal(
            env.step([0.1, 0.3])[0]["observation"], restored.step([0.1, 0.3])[0]["observation"]
        )


def test_step_or_render_before_reset_is_refused():
    with pytest.raises(gym.error.ResetNeeded, match="stepped before its first reset"):
        make().step(np.zeros(2))
    with pytest.raises(gym.error.ResetNeeded, match="rendered before its first reset"):
        make(render_mode="rgb_array").render()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"friction": -1.0}, r"friction must lie in 0..10, got -1.0"),
        ({"friction": float("nan")}, "friction must lie in 0..10, got nan"),
        ({"damping": 1.5}, r"damping must lie in 0..1, got 1.5"),
        ({"damping": "a"}, "damping must be a number, got 'a'"),
        ({"success": "agent"}, r"success must be one of \['both', 'block'\], got 'agent'"),
        ({"task": "detour"}, r"task must be one of \['segment', 'pose'\], got 'detour'"),
        ({"segment_steps": 2}, "segment_steps must lie in 5..500, got 2"),
        ({"segment_steps": 25.5}, "segment_steps must be a whole number, got 25.5"),
        ({"reward_type": "shaped"}, r"reward_type must be one of \['sparse', 'dense'\]"),
        ({"continuing_task": 1}, "continuing_task must be True or False, got 1"),
        ({"render_mode": "ansi"}, "render_mode must be None or 'rgb_array', got 'ansi'"),
        ({"frictoin": 1.0}, r"PushT-v0 has no argument 'frictoin' \(it has friction, damping, .*, render_mode\)"),
    ],
)
def test_wrong_arguments_are_refused_by_name(arguments, message):
    with pytest.raises((ValueError, TypeError), match=message):
        gbplan.envs.push_t.PushTEnv(**arguments)


def test_expert_of_segments_reaches_every_goal():
    envs = make_vector_env(ID, 12, {"continuing_task": True})
    seeds = episode_seeds(HELD_OUT_SEEDS, 3, 12)
    drawn, _ = envs.reset(seed=seeds)
    # As evaluations do it: the tasks again, set with their seeds.
    tasks = {"states": drawn["observation"], "goals": drawn["desired_goal"]}
    episodes = run_episodes(envs, ExpertPolicy(), seeds=seeds, **tasks, max_steps=25)
    last = episodes.starts + 25
    np.testing.assert_array_equal(
        episodes.observations["achieved_goal"][last], episodes.observations["desired_goal"][last]
    )
    assert episodes.infos["is_success"][last].all()
    noisy = run_episodes(envs, ExpertPolicy(action_noise=0.3), seeds=seeds, **tasks, max_steps=25)
    assert noisy.infos["position_error"][last].max() > 1.0


def test_expert_names_the_task_it_cannot_solve():
    envs = make_vector_env(ID, 2)
    drawn, _ = envs.reset(seed=0)
    tasks = {"states": drawn["observation"], "goals": drawn["desired_goal"]}
    with pytest.raises(ValueError, match="the task of row 0 was given to it; reset with the seed that drew the task"):
        run_episodes(envs, ExpertPolicy(), seeds=[5, 6], **tasks)
    assert optional_method(gym.make(ID, task="pose"), "expert") is None
    with pytest.raises(ValueError, match="has no expert"):
        ExpertPolicy().reset(make_vector_env(ID, 2, {"task": "pose"}), [0, 1])


def test_optional_methods_are_success_pictures_and_walls_but_no_distance():
    env = gym.make(ID)
    for name in ("compute_success", "render_state", "render_goal", "background", "expert"):
        assert optional_method(env, name) is not None
    for name in ("goal_distance", "shortest_path", "simulator"):
        assert optional_method(env, name) is None
    np.testing.assert_array_equal(np.unique(optional_method(env, "background")()), [7.0, 504.0])
