import pickle
import warnings

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode
from hypothesis import given, settings
from hypothesis import strategies as st

ROWS = 4

worlds = st.fixed_dictionaries(
    {
        "dynamics": st.sampled_from(["position", "velocity"]),
        "contact": st.sampled_from(["slide", "stop"]),
        "task": st.sampled_from(["uniform", "detour"]),
        "reward_type": st.sampled_from(["sparse", "dense"]),
        "continuing_task": st.booleans(),
        "process_noise": st.sampled_from([0.0, 0.03]),
        "observation_noise": st.sampled_from([0.0, 0.1]),
        "door_center": st.floats(-1.0, 1.0),
        "door_half_width": st.floats(0.05, 0.75),
        "goal_threshold": st.sampled_from([0.1, 0.5]),
        "step_size": st.sampled_from([0.1, 1.0]),
        "acceleration": st.sampled_from([0.02, 0.5]),
        "max_speed": st.sampled_from([0.15, 1.0]),
    }
)


def make(num_envs=ROWS, **world):
    return gym.make_vec("DoorWall-v0", num_envs=num_envs, **world)


def assert_row(row, observation, info, observations, infos):
    for key, value in observation.items():
        assert observations[key].dtype == value.dtype
        np.testing.assert_array_equal(observations[key][row], value)
    for key, value in info.items():
        assert infos[key][row] == value
        assert infos[f"_{key}"][row]


@given(world=worlds, seed=st.integers(0, 2**31), policy_seed=st.integers(0, 2**31))
@settings(max_examples=25, deadline=None)
def test_row_equals_the_single_environment_bit_for_bit(world, seed, policy_seed):
    envs = make(max_episode_steps=30, **world)
    singles = [gym.make("DoorWall-v0", max_episode_steps=30, **world) for _ in range(ROWS)]
    observations, infos = envs.reset(seed=seed)
    for row, single in enumerate(singles):
        assert_row(row, *single.reset(seed=seed + row), observations, infos)
    rng, expert = np.random.default_rng(policy_seed), envs.unwrapped.expert()
    for _ in range(45):
        # Between expert and noise: through the door as well as against the walls, beyond the action's bounds too.
        random = rng.uniform(-1.5, 1.5, (ROWS, 2)).astype(np.float32)
        actions = np.where(rng.random((ROWS, 1)) < 0.7, expert.act(observations), random)
        observations, rewards, terminated, truncated, infos = envs.step(actions)
        for row, single in enumerate(singles):
            observation, *outcome, info = single.step(actions[row])
            assert_row(row, observation, info, observations, infos)
            assert outcome == [rewards[row], terminated[row], truncated[row]]
        goals = observations["achieved_goal"], observations["desired_goal"], infos
        np.testing.assert_array_equal(rewards, envs.unwrapped.compute_reward(*goals))
        np.testing.assert_array_equal(terminated, envs.unwrapped.compute_terminated(*goals))
        over = terminated | truncated
        if over.any():
            observations, infos = envs.reset(options={"reset_mask": over})
            for row in np.flatnonzero(over):
                assert_row(row, *singles[row].reset(), observations, infos)


def test_gymnasium_makes_it_by_default_without_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        envs = make(max_episode_steps=7)
    assert type(envs.unwrapped).__name__ == "DoorWallVectorEnv"
    assert envs.metadata["autoreset_mode"] is AutoresetMode.DISABLED
    assert envs.unwrapped.max_episode_steps == 7
    assert make().unwrapped.max_episode_steps == 100
    assert envs.reset(seed=5)[0] in envs.observation_space
    assert envs.np_random_seed == (5, 6, 7, 8)


def test_observations_stay_in_their_space_with_noise():
    envs = make(dynamics="velocity", observation_noise=0.5, process_noise=0.1, continuing_task=True)
    observation, _ = envs.reset(seed=0)
    for _ in range(50):
        assert observation in envs.observation_space
        observation, *_ = envs.step(envs.action_space.sample())


def test_seed_list_seeds_rows_and_none_continues():
    first = make().reset(seed=[3, 4, 3, 4])[0]["observation"]
    np.testing.assert_array_equal(first[:2], first[2:])
    envs = make()
    envs.reset(seed=3)
    second = envs.reset()[0]["observation"]
    third = envs.reset(seed=[3, None, None, 6])[0]["observation"]
    np.testing.assert_array_equal(third[0], first[0])
    assert not np.array_equal(second[1], third[1])
    with pytest.raises(ValueError, match="one seed for each of 4 rows, got 3"):
        envs.reset(seed=[1, 2, 3])


def test_truncation_comes_at_the_limit_also_with_the_goal_reached():
    envs = make(max_episode_steps=3, continuing_task=True)
    envs.reset(seed=0, options={"state": [-1.0, 0.0], "goal": [-1.0, 0.5]})
    ends = [envs.step(np.zeros((ROWS, 2)))[3] for _ in range(3)]
    assert [end.all() for end in ends] == [False, False, True]
    endless = gym.make_vec("DoorWall-v0", num_envs=1, max_episode_steps=None)
    endless.reset(seed=0)
    assert not any(endless.step(np.zeros((1, 2)))[3].any() for _ in range(150))


def test_partial_reset_leaves_the_other_rows_alone():
    envs = make(observation_noise=0.1, continuing_task=True)
    envs.reset(seed=0)
    before, *_ = envs.step(envs.action_space.sample())
    streams = [rng.bit_generator.state for rng in envs.np_random]
    mask = np.array([False, True, False, True])
    after, infos = envs.reset(options={"reset_mask": mask})
    for key in before:
        np.testing.assert_array_equal(after[key][~mask], before[key][~mask])
    assert (after["observation"][mask] != before["observation"][mask]).all()
    for row in (0, 2):
        assert envs.np_random[row].bit_generator.state == streams[row]
    for key in ("is_success", "distance", "contact"):
        np.testing.assert_array_equal(infos[f"_{key}"], mask)
    np.testing.assert_array_equal(infos["distance"] > 0.0, mask)


def test_partial_reset_restarts_the_time_of_its_rows():
    envs = make(max_episode_steps=4, continuing_task=True)
    envs.reset(seed=0)
    for _ in range(2):
        envs.step(np.zeros((ROWS, 2)))
    mask = np.array([True, False, False, False])
    envs.reset(options={"reset_mask": mask})
    envs.step(np.zeros((ROWS, 2)))
    np.testing.assert_array_equal(envs.step(np.zeros((ROWS, 2)))[3], ~mask)


def test_stepping_a_row_that_is_over_names_it_and_the_remedy():
    envs = make()
    state = np.array([[-1.0, 0.0], [-1.0, 0.0], [1.5, 0.0], [-1.0, 0.0]])
    envs.reset(seed=0, options={"state": state, "goal": [1.5, 0.0]})
    np.testing.assert_array_equal(envs.step(np.zeros((ROWS, 2)))[2], [False, False, True, False])
    with pytest.raises(gym.error.ResetNeeded, match=r"rows 2 are over.*reset_mask"):
        envs.step(np.zeros((ROWS, 2)))


def test_stepping_before_the_first_reset_is_refused():
    with pytest.raises(gym.error.ResetNeeded, match="before its first reset"):
        make().step(np.zeros((ROWS, 2)))
    with pytest.raises(gym.error.ResetNeeded, match="first reset must be of all rows"):
        make().reset(options={"reset_mask": np.array([True, False, False, False])})


def test_options_set_rows_or_all_rows_at_once():
    envs = make()
    goals = np.array([[1.0, y] for y in range(-1, 3)], np.float32)
    observation, infos = envs.reset(seed=0, options={"state": [-1.0, 0.25], "goal": goals})
    np.testing.assert_array_equal(observation["achieved_goal"], np.tile([-1.0, 0.25], (ROWS, 1)))
    np.testing.assert_array_equal(observation["desired_goal"], goals)
    assert infos["distance"][0] == np.hypot(2.0, 1.25)
    mask = np.array([True, False, False, False])
    observation, _ = envs.reset(options={"reset_mask": mask, "state": np.full((ROWS, 2), 0.5), "goal": [-1.0, 0.0]})
    np.testing.assert_array_equal(observation["achieved_goal"][:2], [[0.5, 0.5], [-1.0, 0.25]])
    assert set(envs.reset(options={"state": [-1.0, 0.25]})[0]) == {"observation", "achieved_goal", "desired_goal"}


def test_options_are_not_changed():
    options = {"reset_mask": np.ones(ROWS, np.bool_), "goal": [1.0, 0.0]}
    envs = make()
    envs.reset(seed=0, options=options)
    assert set(options) == {"reset_mask", "goal"}


@pytest.mark.parametrize(
    ("mask", "error", "message"),
    [
        ([True] * ROWS, TypeError, "must be a numpy array"),
        (np.ones(3, np.bool_), ValueError, r"must have shape \(4,\), got \(3,\)"),
        (np.ones(ROWS), TypeError, "must have dtype bool, got float64"),
        (np.zeros(ROWS, np.bool_), ValueError, "at least one True"),
    ],
)
def test_wrong_reset_mask_is_refused_as_gymnasium_does(mask, error, message):
    envs = make()
    envs.reset(seed=0)
    with pytest.raises(error, match=message):
        envs.reset(options={"reset_mask": mask})


def test_wrong_options_are_refused_with_the_row_and_change_nothing():
    envs = make()
    before, _ = envs.reset(seed=0)
    states = np.full((ROWS, 2), -1.0)
    states[3] = [0.0, 1.5]
    with pytest.raises(ValueError, match=r"in row 3; keep \|x\| >= 0.001"):
        envs.reset(options={"state": states})
    with pytest.raises(ValueError, match=r"shape \(2,\) or \(4, 2\), got shape \(3, 2\)"):
        envs.reset(options={"goal": np.zeros((3, 2))})
    with pytest.raises(ValueError, match="'state', 'goal', 'reset_mask', got 'mask'"):
        envs.reset(options={"mask": None})
    after, *_ = envs.step(np.zeros((ROWS, 2)))
    np.testing.assert_array_equal(after["observation"], before["observation"])


def test_wrong_actions_are_refused_with_the_rows():
    envs = make()
    envs.reset(seed=0)
    with pytest.raises(gym.error.InvalidAction, match=r"shape \(4, 2\), got \(2,\)"):
        envs.step(np.zeros(2))
    actions = np.zeros((ROWS, 2))
    actions[1, 0] = np.nan
    with pytest.raises(gym.error.InvalidAction, match=r"NaN in rows \[1\]"):
        envs.step(actions)


@pytest.mark.parametrize("arguments", [{"num_envs": 0}, {"max_episode_steps": 0}, {"render_mode": "human"}])
def test_wrong_arguments_are_refused_by_name(arguments):
    with pytest.raises(ValueError, match=next(iter(arguments))):
        make(**arguments)


def test_returned_arrays_are_the_callers_own():
    envs = make(observation_noise=0.1)
    observation, _ = envs.reset(seed=0)
    for array in observation.values():
        array[:] = 0.0
    mask = np.array([True, False, False, False])
    observation, _ = envs.reset(options={"reset_mask": mask})
    assert (observation["desired_goal"][1:] != 0.0).all()
    assert (observation["observation"][1:] != 0.0).all()


def test_pickling_keeps_the_middle_of_an_episode():
    envs = make(process_noise=0.05)
    envs.reset(seed=0)
    action = envs.action_space.sample()
    envs.step(action)
    restored = pickle.loads(pickle.dumps(envs))
    np.testing.assert_array_equal(envs.step(action)[0]["observation"], restored.step(action)[0]["observation"])


def test_attributes_are_read_and_called_as_those_of_rows_made_apart():
    envs, apart = make(), make(vectorization_mode="sync")
    for each in (envs, apart):
        each.reset(seed=3)
    for name in ("render_mode", "world", "observation_space", "action_space", "np_random_seed"):
        assert envs.get_attr(name)[0] == apart.get_attr(name)[0], name
        assert len(envs.get_attr(name)) == ROWS
    assert [rng.random() for rng in envs.get_attr("np_random")] == [rng.random() for rng in apart.get_attr("np_random")]
    goals = np.float32([[1.0, 0.0], [1.0, 1.0]])
    for method in ("goal_distance", "shortest_path", "compute_success"):
        for one, other in zip(envs.call(method, -goals, goals), apart.call(method, -goals, goals), strict=True):
            np.testing.assert_array_equal(one, other)
    experts = envs.call("expert", action_noise=0.5)
    assert len({id(expert) for expert in experts}) == ROWS
    assert {expert.action_noise for expert in experts} == {0.5}
    with pytest.raises(AttributeError, match="no_such_thing"):
        envs.call("no_such_thing")
    with pytest.raises(ValueError, match="call step of the vector environment itself"):
        envs.call("step", np.zeros(2))


def test_pictures_are_called_for_row_by_row():
    envs = make(render_mode="rgb_array")
    envs.reset(seed=0)
    for picture, other in zip(envs.call("render"), envs.render(), strict=True):
        np.testing.assert_array_equal(picture, other)


def test_attributes_are_set_for_all_rows_and_generators_for_each():
    envs, apart = make(process_noise=0.05), make(process_noise=0.05, vectorization_mode="sync")
    for each in (envs, apart):
        each.reset(seed=0)
        each.set_attr("np_random", [np.random.default_rng(row) for row in range(ROWS)])
    actions = envs.action_space.sample()
    np.testing.assert_array_equal(envs.step(actions)[0]["observation"], apart.step(actions)[0]["observation"])
    envs.set_attr("label", "mine")
    assert envs.get_attr("label") == ("mine",) * ROWS
    envs.set_attr("label", ["other"] * ROWS)
    assert envs.get_attr("label") == ("other",) * ROWS
    with pytest.raises(ValueError, match="label must have one value for each of 4 rows, got 2"):
        envs.set_attr("label", ["a", "b"])
    with pytest.raises(ValueError, match=r"label must be the same in all rows.*vectorization_mode='sync'"):
        envs.set_attr("label", ["a", "b", "c", "d"])
