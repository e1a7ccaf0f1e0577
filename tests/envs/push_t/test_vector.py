import pickle
import warnings

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode
from hypothesis import given, settings
from hypothesis import strategies as st

ID = "gbplan/PushT-v0"
ROWS = 3
STATE, GOAL = [200.0, 100.0, 200.0, 130.0, 0.0], [300.0, 300.0, 250.0, 100.0, 0.0]

worlds = st.fixed_dictionaries(
    {
        "friction": st.sampled_from([0.0, 0.5]),
        "damping": st.sampled_from([0.0, 0.5]),
        "success": st.sampled_from(["both", "block"]),
        "task": st.sampled_from(["segment", "pose"]),
        "reward_type": st.sampled_from(["sparse", "dense"]),
        "continuing_task": st.booleans(),
    }
)


def make(num_envs=ROWS, **world):
    return gym.make_vec(ID, num_envs=num_envs, **{"task": "pose"} | world)


def assert_row(row, observation, info, observations, infos):
    for key, value in observation.items():
        assert observations[key].dtype == value.dtype
        np.testing.assert_array_equal(observations[key][row], value)
    for key, value in info.items():
        assert infos[key][row] == value
        assert infos[f"_{key}"][row]


@given(world=worlds, seed=st.integers(0, 2**31 - 10))
@settings(max_examples=5, deadline=None)
def test_row_equals_the_single_environment_bit_for_bit(world, seed):
    envs = make(max_episode_steps=10, **world)
    singles = [gym.make(ID, max_episode_steps=10, **world) for _ in range(ROWS)]
    observations, infos = envs.reset(seed=seed)
    for row, single in enumerate(singles):
        assert_row(row, *single.reset(seed=seed + row), observations, infos)
    rng = np.random.default_rng(seed)
    for _ in range(15):
        to_block = (observations["observation"][:, 2:4] - observations["observation"][:, :2]) / 60
        actions = (to_block + 0.4 * rng.standard_normal((ROWS, 2))).astype(np.float32)
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
    assert type(envs.unwrapped).__name__ == "PushTVectorEnv"
    assert envs.metadata["autoreset_mode"] is AutoresetMode.DISABLED
    assert envs.unwrapped.max_episode_steps == 7
    assert make().unwrapped.max_episode_steps == 150
    assert envs.reset(seed=5)[0] in envs.observation_space
    assert envs.unwrapped.np_random_seed == (5, 6, 7)


def test_options_set_rows_or_all_rows_at_once():
    envs = make()
    states = np.array([[200.0 + 10 * row, *STATE[1:]] for row in range(ROWS)])
    observation, infos = envs.reset(seed=0, options={"state": states, "goal": GOAL})
    np.testing.assert_array_equal(observation["observation"][:, 0], states[:, 0])
    assert (observation["desired_goal"] == observation["desired_goal"][0]).all()
    assert infos["position_error"].shape == (ROWS,)
    mask = np.array([False, True, False])
    observation, infos = envs.reset(options={"reset_mask": mask, "state": states[::-1], "goal": GOAL})
    np.testing.assert_array_equal(observation["observation"][:, 0], states[:, 0])  # the middle one is its own mirror
    np.testing.assert_array_equal(infos["_position_error"], mask)
    drawn, _ = envs.reset(seed=0)
    again, _ = make().reset(seed=0)
    np.testing.assert_array_equal(drawn["observation"], again["observation"])  # an option is used once


def test_wrong_options_are_refused_with_the_row_and_change_nothing():
    envs = make()
    before, _ = envs.reset(seed=0)
    states = np.array([STATE] * ROWS)
    states[2, 0] = 5.0
    with pytest.raises(
        ValueError, match=r"options\['state'\] is \[5.0, 100.0, .*\] in row 2; keep the agent on the table"
    ):
        envs.reset(options={"state": states})
    with pytest.raises(ValueError, match=r"shape .* or \(3, 5\), got shape \(2, 5\)"):
        envs.reset(options={"state": states[:2]})
    with pytest.raises(ValueError, match="reset options are 'state', 'goal', 'reset_mask', got 'mask'"):
        envs.reset(options={"mask": np.ones(ROWS, np.bool_)})
    after, *_ = envs.step(np.zeros((ROWS, 2), np.float32))
    np.testing.assert_array_equal(after["observation"][:, :6], before["observation"][:, :6])


@pytest.mark.parametrize(
    ("mask", "error"),
    [([True] * ROWS, TypeError), (np.ones(2, np.bool_), ValueError), (np.ones(ROWS), TypeError)],
)
def test_wrong_reset_mask_is_refused_as_gymnasium_does(mask, error):
    envs = make()
    envs.reset(seed=0)
    with pytest.raises(error, match="reset_mask"):
        envs.reset(options={"reset_mask": mask})
    with pytest.raises(ValueError, match="at least one True"):
        envs.reset(options={"reset_mask": np.zeros(ROWS, np.bool_)})


def test_stepping_a_row_that_is_over_names_it_and_the_remedy():
    envs = make(max_episode_steps=1)
    with pytest.raises(gym.error.ResetNeeded, match="before its first reset"):
        envs.step(np.zeros((ROWS, 2), np.float32))
    with pytest.raises(gym.error.ResetNeeded, match="first reset must be of all rows"):
        envs.reset(options={"reset_mask": np.array([True, False, False])})
    envs.reset(seed=0)
    assert envs.step(np.zeros((ROWS, 2), np.float32))[3].all()
    envs.reset(options={"reset_mask": np.array([True, False, True])})
    with pytest.raises(gym.error.ResetNeeded, match=r"rows 1 are over.*reset_mask"):
        envs.step(np.zeros((ROWS, 2), np.float32))


def test_wrong_actions_are_refused():
    envs = make()
    envs.reset(seed=0)
    with pytest.raises(gym.error.InvalidAction, match=r"shape \(3, 2\), got \(2,\)"):
        envs.step(np.zeros(2))
    with pytest.raises(gym.error.InvalidAction, match="must not be NaN"):
        envs.step(np.full((ROWS, 2), np.nan, np.float32))


@pytest.mark.parametrize("arguments", [{"num_envs": 0}, {"max_episode_steps": 0}, {"render_mode": "human"}])
def test_wrong_arguments_are_refused_by_name(arguments):
    with pytest.raises(ValueError, match=next(iter(arguments))):
        make(**arguments)


def test_attributes_are_read_called_and_set():
    envs = make(render_mode="rgb_array").unwrapped
    drawn, _ = envs.reset(seed=3)
    assert envs.get_attr("world")[0].task == "pose"
    goals = drawn["desired_goal"]
    assert [reached.all() for reached in envs.call("compute_success", goals, goals)] == [True] * ROWS
    assert {picture.shape for picture in envs.call("render")} == {(256, 256, 3)}
    envs.set_attr("label", "mine")
    assert envs.get_attr("label") == ("mine",) * ROWS


@pytest.mark.parametrize("mode", ["vector_entry_point", "sync"])
def test_every_form_returns_the_actions_of_its_segments(mode):
    envs = gym.make_vec(ID, num_envs=2, vectorization_mode=mode)
    envs.reset(seed=1)
    one, other = envs.unwrapped.call("segment_actions")
    assert one.shape == (25, 2)
    assert (one != other).any()
    single = gym.make(ID).unwrapped
    assert single.segment_actions() is None
    single.reset(seed=2)
    np.testing.assert_array_equal(single.segment_actions(), other)


def test_pickling_keeps_the_middle_of_an_episode():
    envs = make()
    envs.reset(seed=0)
    action = np.full((ROWS, 2), 0.2, np.float32)
    envs.step(action)
    restored = pickle.loads(pickle.dumps(envs))
    np.testing.assert_array_equal(envs.step(action)[0]["observation"], restored.step(action)[0]["observation"])
