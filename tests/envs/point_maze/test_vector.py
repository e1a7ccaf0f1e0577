import pickle
import warnings

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode
from hypothesis import given, settings
from hypothesis import strategies as st

from gbplan.data import make_vector_env, run_episodes
from gbplan.policies import ExpertPolicy

ID, ROWS = "gbplan/PointMaze-v0", 3

worlds = st.fixed_dictionaries(
    {
        "maze": st.sampled_from(["umaze", "medium", "large"]),
        "task": st.sampled_from(["uniform", "detour"]),
        "frame_skip": st.sampled_from([1, 5]),
        "reward_type": st.sampled_from(["sparse", "dense"]),
        "continuing_task": st.booleans(),
    }
)


def make(**arguments):
    return gym.make_vec(ID, num_envs=ROWS, **arguments)


def assert_row(row, observation, info, observations, infos):
    for key, value in observation.items():
        assert observations[key].dtype == value.dtype
        np.testing.assert_array_equal(observations[key][row], value)
    for key, value in info.items():
        assert infos[key][row] == value
        assert infos[f"_{key}"][row]


@given(world=worlds, seed=st.integers(0, 2**31))
@settings(max_examples=6, deadline=None)
def test_row_equals_the_single_environment_bit_for_bit(world, seed):
    envs = make(max_episode_steps=20, **world)
    singles = [gym.make(ID, max_episode_steps=20, **world) for _ in range(ROWS)]
    observations, infos = envs.reset(seed=seed)
    for row, single in enumerate(singles):
        assert_row(row, *single.reset(seed=seed + row), observations, infos)
    rng, expert = np.random.default_rng(seed), envs.unwrapped.expert()
    for _ in range(25):
        # Between expert and noise: to goals as well as against walls, beyond the action's bounds too.
        random = rng.uniform(-1.5, 1.5, (ROWS, 2)).astype(np.float32)
        actions = np.where(rng.random((ROWS, 1)) < 0.7, expert.act(observations), random)
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


def test_gymnasium_makes_it_by_default_without_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        envs = make(max_episode_steps=7)
    assert type(envs.unwrapped).__name__ == "PointMazeVectorEnv"
    assert envs.metadata["autoreset_mode"] is AutoresetMode.DISABLED
    assert envs.unwrapped.max_episode_steps == 7
    assert make().unwrapped.max_episode_steps == 200
    assert envs.reset(seed=5)[0] in envs.observation_space


def test_options_set_rows_and_a_partial_reset_leaves_the_others_alone():
    envs = make(continuing_task=True)
    goals = np.float32([[1, 0], [1, 1], [1, -1]])
    observation, _ = envs.reset(seed=0, options={"state": [-1.0, 1.0], "goal": goals})
    np.testing.assert_array_equal(observation["observation"], np.tile([-1.0, 1.0, 0.0, 0.0], (ROWS, 1)))
    np.testing.assert_array_equal(observation["desired_goal"], goals)
    before, *_ = envs.step(np.ones((ROWS, 2)))
    mask = np.array([False, True, False])
    after, infos = envs.reset(options={"reset_mask": mask, "state": np.full((ROWS, 4), [1, 1, 0.5, 0])})
    for key in before:
        np.testing.assert_array_equal(after[key][~mask], before[key][~mask])
    np.testing.assert_array_equal(after["observation"][1], [1, 1, 0.5, 0])
    np.testing.assert_array_equal(infos["_distance"], mask)


def test_returned_arrays_are_the_callers_own():
    envs = make()
    observation, _ = envs.reset(seed=0)
    kept = {key: value.copy() for key, value in observation.items()}
    for value in observation.values():
        value[:] = 9
    again, _ = envs.reset(options={"reset_mask": np.array([True, False, False])})
    for key in kept:
        np.testing.assert_array_equal(again[key][1:], kept[key][1:])


def test_pickling_keeps_the_middle_of_an_episode():
    envs = make()
    envs.reset(seed=0)
    action = envs.action_space.sample()
    envs.step(action)
    restored = pickle.loads(pickle.dumps(envs))
    np.testing.assert_array_equal(envs.step(action)[0]["observation"], restored.step(action)[0]["observation"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_envs": 0}, "num_envs"),
        ({"max_episode_steps": 0}, "max_episode_steps"),
        ({"render_mode": "human"}, "human"),
    ],
)
def test_wrong_arguments_are_refused_by_name(arguments, message):
    with pytest.raises(ValueError, match=message):
        gym.make_vec(ID, **arguments)


@pytest.mark.parametrize("mode", ["vector_entry_point", "sync", "async"])
def test_every_vector_form_gives_the_same_episode(mode):
    disabled = {} if mode == "vector_entry_point" else {"vector_kwargs": {"autoreset_mode": AutoresetMode.DISABLED}}
    envs = gym.make_vec(ID, num_envs=2, vectorization_mode=mode, **disabled)
    native = make_vector_env(ID, 2)
    try:
        tasks = {"states": np.float32([[-1, 1, 0, 2], [1, 0, 0, 0]]), "goals": np.float32([[-1, -1], [-1, 1]])}
        one, other = (run_episodes(each, ExpertPolicy(0.1), seeds=[4, 5], **tasks) for each in (envs, native))
    finally:
        envs.close()
    assert one.terminated.all()
    for key, value in one.observations.items():
        np.testing.assert_array_equal(value, other.observations[key])
