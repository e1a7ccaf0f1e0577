"""Properties of every world in the forms of gbplan/envs/simulated.py."""

import pickle
import warnings

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode

from gbplan.data import make_vector_env, run_episodes
from gbplan.envs.contract import require_contract
from gbplan.policies import RandomPolicy
from gbplan.seeds import HELD_OUT_SEEDS, TRAINING_SEEDS, episode_seeds

FETCH = ("gbplan/FetchPush-v0", {"task": "far", "reward_type": "dense"}, 50)
PUSHED = ("gbplan/Rope-v0", {"segment_steps": 1}, 20)
STROKED = ("gbplan/Rope-v0", {"action": "small", "task": "shape", "reward_type": "dense"}, 20)
DISCS = ("gbplan/Granular-v0", {"segment_steps": 1}, 20)
ROOMS = ("gbplan/DoorLayouts-v0", {"task": "detour", "reward_type": "dense"}, 100)
WORLDS = [FETCH, PUSHED, STROKED, DISCS, ROOMS]
ROWS = 2


@pytest.fixture(params=WORLDS, ids=["fetch_push", "rope", "rope_small", "granular", "door_layouts"])
def world(request):
    return request.param


def make(world, **arguments):
    return gym.make(world[0], **world[1], **arguments).unwrapped


def make_vector(world, num_envs=ROWS, **arguments):
    return gym.make_vec(world[0], num_envs=num_envs, **world[1], **arguments)


def draw_actions(env, count, seed=0):
    rng, shape = np.random.default_rng(seed), env.action_space.shape
    actions = rng.uniform(-1.2, 1.2, (count, *shape))  # clipped, too
    if shape[-1] == 4:  # pushes, which take as long to simulate as they are
        actions[..., 2:] = actions[..., :2] + rng.uniform(-0.3, 0.3, actions[..., 2:].shape)
    return actions.astype(np.float32)


def assert_row(row, observation, info, observations, infos):
    for key, value in observation.items():
        assert observations[key].dtype == value.dtype
        np.testing.assert_array_equal(observations[key][row], value)
    for key, value in info.items():
        assert infos[key][row] == value
        assert infos[f"_{key}"][row]


def test_checkers_have_nothing_to_say(world):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(make(world), skip_render_check=True)


def test_stable_baselines3_checker_has_nothing_to_say(world):
    checker = pytest.importorskip("stable_baselines3.common.env_checker")
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        checker.check_env(make(world))


def test_contract_is_kept_within_the_time_limit(world):
    assert require_contract(world[0], world[1]) == world[2]


def test_what_was_observed_is_the_whole_state_and_goes_on_the_same_way_to_the_bit(world):
    env, other = make(world, continuing_task=True), make(world, continuing_task=True)
    observation, _ = env.reset(seed=3)
    for step, action in enumerate(draw_actions(env, 4)):
        if step % 2 == 0:  # also in the middle of an episode, whatever the other one did before
            options = {"state": observation["observation"], "goal": observation["desired_goal"]}
            again, _ = other.reset(seed=step, options=options)
            for key in observation:
                np.testing.assert_array_equal(again[key], observation[key])
        observation, *outcome = env.step(action)
        again, *other_outcome = other.step(action)
        for key in observation:
            np.testing.assert_array_equal(again[key], observation[key])
        assert outcome == other_outcome
        assert observation in env.observation_space


def test_row_equals_the_single_environment_bit_for_bit(world):
    envs = make_vector(world, max_episode_steps=3)
    singles = [gym.make(world[0], max_episode_steps=3, **world[1]) for _ in range(ROWS)]
    observations, infos = envs.reset(seed=11)
    assert observations in envs.observation_space
    for row, single in enumerate(singles):
        assert_row(row, *single.reset(seed=11 + row), observations, infos)
    for actions in draw_actions(envs, 4):
        observations, rewards, terminated, truncated, infos = envs.step(actions)
        for row, single in enumerate(singles):
            observation, *outcome, info = single.step(actions[row])
            assert_row(row, observation, info, observations, infos)
            assert outcome == [rewards[row], terminated[row], truncated[row]]
        over = terminated | truncated
        if over.any():
            observations, infos = envs.reset(options={"reset_mask": over})
            for row in np.flatnonzero(over):
                assert_row(row, *singles[row].reset(), observations, infos)


def test_every_vector_form_gives_the_same_episode(world):
    native = make_vector_env(world[0], 2, world[1])
    for mode in ("sync", "async"):
        disabled = {"vector_kwargs": {"autoreset_mode": AutoresetMode.DISABLED}}
        envs = make_vector(world, vectorization_mode=mode, **disabled)
        try:
            one, other = (run_episodes(each, RandomPolicy(), seeds=[4, 5], max_steps=1) for each in (envs, native))
        finally:
            envs.close()
        for key, value in one.observations.items():
            np.testing.assert_array_equal(value, other.observations[key])


def test_reward_and_ends_agree_exactly_with_the_compute_methods(world):
    env = make(world)
    env.reset(seed=0)
    for action in draw_actions(env, 3):
        observation, reward, terminated, truncated, info = env.step(action)
        goals = observation["achieved_goal"], observation["desired_goal"]
        assert reward == env.compute_reward(*goals, info)
        assert terminated == env.compute_terminated(*goals, info)
        assert truncated == env.compute_truncated(*goals, info)
        assert info["distance"] == env.goal_distance(*goals)
        assert info["is_success"] == env.compute_success(*goals)


def test_tasks_of_training_and_held_out_seeds_differ_and_come_again(world):
    drawn = [
        make_vector(world).reset(seed=episode_seeds(split, 0, ROWS))[0]
        for split in (TRAINING_SEEDS, HELD_OUT_SEEDS, HELD_OUT_SEEDS)
    ]
    for key in ("observation", "desired_goal"):
        assert (drawn[0][key] != drawn[1][key]).any(axis=1).all()
        np.testing.assert_array_equal(drawn[1][key], drawn[2][key])


def test_partial_reset_leaves_the_other_rows_alone(world):
    envs = make_vector(world, continuing_task=True)
    first, _ = envs.reset(seed=0)
    before, *_ = envs.step(draw_actions(envs, 1)[0])
    mask = np.array([False, True])
    options = {"reset_mask": mask, "state": first["observation"][1], "goal": first["desired_goal"]}
    after, infos = envs.reset(options=options)
    for key in before:
        np.testing.assert_array_equal(after[key][0], before[key][0])
    np.testing.assert_array_equal(after["observation"][1], first["observation"][1])
    np.testing.assert_array_equal(after["desired_goal"][1], first["desired_goal"][1])
    np.testing.assert_array_equal(infos["_distance"], mask)


def test_returned_arrays_are_the_callers_own(world):
    env, envs = make(world), make_vector(world)
    for each, action in ((env, draw_actions(env, 1)[0]), (envs, draw_actions(envs, 1)[0])):
        observation, _ = each.reset(seed=0)
        state, goal = (observation[key].copy() for key in ("observation", "desired_goal"))
        for value in observation.values():
            value[:] = 0.5
        moved, *_ = each.step(action)
        again, _ = each.reset(seed=0, options={"state": state, "goal": goal})
        assert (again["observation"] == state).all()
        np.testing.assert_array_equal(each.step(action)[0]["observation"], moved["observation"])


def test_pickling_keeps_the_middle_of_an_episode(world):
    for env in (make(world), make_vector(world)):
        env.reset(seed=0)
        first, second = draw_actions(env, 2)
        env.step(first)
        restored = pickle.loads(pickle.dumps(env))
        np.testing.assert_array_equal(env.step(second)[0]["observation"], restored.step(second)[0]["observation"])


def test_refused_options_leave_the_episode_as_it_was(world):
    env, envs = make(world), make_vector(world)
    for each in (env, envs):
        drawn, _ = each.reset(seed=0)
        goal = np.full_like(drawn["desired_goal"], np.nan)
        with pytest.raises(ValueError, match=r"options\['goal'\] .*; give finite numbers"):
            each.reset(options={"state": drawn["observation"], "goal": goal})
        with pytest.raises(ValueError, match=r"options\['state'\] must be finite numbers of shape .* got shape \(1,\)"):
            each.reset(options={"state": [1.0]})
        with pytest.raises(ValueError, match=r"reset options are 'state', 'goal'.*, got 'start'"):
            each.reset(options={"start": drawn["observation"]})
        still = np.zeros(each.action_space.shape)
        moved = each.step(still)[0]["observation"]
        each.reset(seed=0)
        np.testing.assert_array_equal(each.step(still)[0]["observation"], moved)


def test_wrong_actions_and_steps_before_reset_are_refused(world):
    for env in (make(world, render_mode="rgb_array"), make_vector(world, render_mode="rgb_array")):
        shape = env.action_space.shape
        with pytest.raises(gym.error.ResetNeeded, match="stepped before its first reset"):
            env.step(np.zeros(shape))
        with pytest.raises(gym.error.ResetNeeded, match="rendered before its first reset"):
            env.render()
        env.reset(seed=0)
        with pytest.raises(gym.error.InvalidAction, match=r"must have shape .*, got \(9,\)"):
            env.step(np.zeros(9))
        with pytest.raises(gym.error.InvalidAction, match="must not be NaN"):
            env.step(np.full(shape, np.nan))


def test_gymnasium_makes_the_vector_form_by_default_with_the_same_time_limit(world):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        envs = make_vector(world)
    assert envs.metadata["autoreset_mode"] is AutoresetMode.DISABLED
    assert envs.unwrapped.max_episode_steps == world[2]
    assert make_vector(world, max_episode_steps=7).unwrapped.max_episode_steps == 7


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"task": "nowhere"}, ValueError, r"task must be one of \['.*'\], got 'nowhere'"),
        ({"reward_type": "shaped"}, ValueError, "reward_type must be one of"),
        ({"goal_threshold": "near"}, TypeError, "goal_threshold must be a number, got 'near'"),
        ({"goal_threshold": 9.0}, ValueError, r"goal_threshold must lie in .*, got 9\.0"),
        ({"goal_threshold": np.nan}, ValueError, r"goal_threshold must lie in .*, got nan"),
        ({"continuing_task": "no"}, TypeError, "continuing_task must be True or False, got 'no'"),
        ({"render_mode": "ansi"}, ValueError, "render_mode must be None or 'rgb_array', got 'ansi'"),
        ({"tusk": "uniform"}, TypeError, r"no argument 'tusk' \(it has .*task, .*, render_mode\)"),
    ],
)
def test_wrong_arguments_are_refused_in_one_line(world, arguments, error, message):
    for make_any in (gym.make, gym.make_vec):
        with pytest.raises(error, match=message) as raised:
            make_any(world[0], **arguments)
        assert "\n" not in str(raised.value)
