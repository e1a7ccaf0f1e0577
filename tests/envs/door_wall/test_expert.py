import gymnasium as gym
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gbplan.envs import Policy
from gbplan.envs.door_wall import DoorWallExpert

EXTREME_DOORS = [(1.95, 0.05), (-1.95, 0.05), (0.0, 0.05), (0.0, 2.0), (1.0, 1.0), (-1.2, 0.3)]

# As far apart as start and goal can be, and beside the wall.
CORNERS = np.array([[x, y] for x in (1.999, 0.3, 0.001) for y in (-1.999, 0.0, 1.999)])
STARTS = np.repeat(CORNERS, len(CORNERS), axis=0) * [-1, 1]
GOALS = np.tile(CORNERS, (len(CORNERS), 1))


def reached(envs, expert, observation, steps=100):
    """Which rows of a continuing environment reach the goal within the time limit."""
    reached = np.zeros(envs.num_envs, np.bool_)
    for _ in range(steps):
        observation, *_, infos = envs.step(expert.act(observation))
        reached |= infos["is_success"]
        if reached.all():
            break
    return reached


def solves(count, seed=0, options=None, action_noise=0.0, **world):
    envs = gym.make_vec("DoorWall-v0", num_envs=count, continuing_task=True, **world)
    observation, _ = envs.reset(seed=seed, options=options)
    expert = envs.unwrapped.expert(action_noise)
    expert.reset(envs, range(count))
    return reached(envs, expert, observation).mean()


@pytest.mark.parametrize("dynamics", ["position", "velocity"])
@pytest.mark.parametrize("task", ["uniform", "detour"])
@pytest.mark.parametrize("count", [1_000, pytest.param(10_000, marks=pytest.mark.slow)])
def test_expert_reaches_every_task(dynamics, task, count):
    assert solves(count, dynamics=dynamics, task=task) == 1.0


@pytest.mark.parametrize("dynamics", ["position", "velocity"])
@pytest.mark.parametrize("contact", ["slide", "stop"])
@pytest.mark.parametrize("door", EXTREME_DOORS)
def test_expert_reaches_every_goal_through_extreme_doors(dynamics, contact, door):
    world = {"dynamics": dynamics, "contact": contact, "door_center": door[0], "door_half_width": door[1]}
    assert solves(300, **world) == 1.0
    assert solves(len(STARTS), options={"state": STARTS, "goal": GOALS}, goal_threshold=0.02, **world) == 1.0


@given(
    dynamics=st.sampled_from(["position", "velocity"]),
    contact=st.sampled_from(["slide", "stop"]),
    half_width=st.floats(0.05, 1.75),
    place=st.floats(-1.0, 1.0),
    task=st.sampled_from(["uniform", "detour"]),
    seed=st.integers(0, 2**31),
)
@settings(max_examples=40, deadline=None)
def test_expert_reaches_every_goal_through_any_door(dynamics, contact, half_width, place, task, seed):
    center = place * (2.0 - half_width)
    if task == "detour" and abs(center) + 1.999 - half_width < 0.21:
        center = 2.0 - half_width
    world = {"dynamics": dynamics, "contact": contact, "door_center": center, "door_half_width": half_width}
    assert solves(200, seed, task=task, **world) == 1.0


@pytest.mark.parametrize("dynamics", ["position", "velocity"])
@pytest.mark.parametrize("contact", ["slide", "stop"])
@pytest.mark.parametrize(
    "noise", [{"action_noise": 0.5}, {"process_noise": 0.02}, {"observation_noise": 0.02}], ids=lambda n: next(iter(n))
)
def test_noise_does_not_get_the_expert_stuck(dynamics, contact, noise):
    world = {"dynamics": dynamics, "contact": contact, "door_half_width": 0.15, "task": "detour"}
    assert solves(300, **world, **noise) > 0.99


def test_walking_expert_is_near_the_shortest_path():
    envs = gym.make_vec("DoorWall-v0", num_envs=500, continuing_task=True, task="detour")
    observation, _ = envs.reset(seed=0)
    shortest = envs.unwrapped.shortest_path(observation["observation"], observation["desired_goal"])
    expert, length = envs.unwrapped.expert(), np.zeros(500)
    for _ in range(100):
        before = observation["achieved_goal"]
        observation, *_ = envs.step(expert.act(observation))
        length += np.linalg.norm(observation["achieved_goal"] - before, axis=1)
    assert (length > shortest - 1e-3).all()
    assert (length / shortest).mean() < 1.05
    assert (length / shortest).max() < 1.2


def test_expert_works_over_any_leading_axes_without_reset():
    env = gym.make("DoorWall-v0").unwrapped
    observation, _ = env.reset(seed=0)
    action = env.expert().act(observation)
    assert action in env.action_space
    stacked = {key: np.tile(value, (3, 5, 1)) for key, value in observation.items()}
    np.testing.assert_array_equal(env.expert().act(stacked), np.tile(action, (3, 5, 1)))


def test_noise_of_a_row_depends_on_its_own_seed_only():
    envs = gym.make_vec("DoorWall-v0", num_envs=4)
    observation, _ = envs.reset(seed=0)
    one, other = DoorWallExpert(action_noise=0.5), DoorWallExpert(action_noise=0.5)
    one.reset(envs, [1, 2, 3, 4])
    other.reset(envs, [9, 2, 8, 4])
    active = np.array([False, True, True, True])
    for _ in range(5):
        first, second = one.act(observation), other.act(observation, active)
        np.testing.assert_array_equal(first[[1, 3]], second[[1, 3]])
        assert (first[2] != second[2]).any()
        assert first in envs.action_space


def test_noise_is_not_the_environments_own():
    envs = gym.make_vec("DoorWall-v0", num_envs=1, process_noise=0.1)
    envs.reset(seed=7, options={"state": [-1.0, 0.0], "goal": [1.0, 0.0]})
    expert = DoorWallExpert(action_noise=1e-3)
    expert.reset(envs, [7])
    assert not np.allclose(envs.np_random[0].standard_normal(2), expert._generators[0].standard_normal(2))


def test_expert_of_rows_of_single_environments():
    envs = gym.make_vec("DoorWall-v0", num_envs=2, vectorization_mode="sync", door_center=1.0)
    expert = DoorWallExpert()
    expert.reset(envs, [0, 1])
    observation, _ = envs.reset(seed=0)
    np.testing.assert_array_equal(expert.act(observation), envs.envs[0].unwrapped.expert().act(observation))


def test_misuse_says_what_to_do():
    assert issubclass(DoorWallExpert, Policy)
    env = gym.make("DoorWall-v0").unwrapped
    observation, _ = env.reset(seed=0)
    with pytest.raises(RuntimeError, match="has not been reset; call reset"):
        DoorWallExpert().act(observation)
    with pytest.raises(RuntimeError, match="action noise was reset for 0 rows"):
        env.expert(action_noise=0.1).act(observation)
    with pytest.raises(ValueError, match="action_noise must be a finite number >= 0, got -1"):
        DoorWallExpert(action_noise=-1.0)
    with pytest.raises(TypeError, match="needs a DoorWall environment"):
        DoorWallExpert().reset(gym.make_vec("CartPole-v1", num_envs=1), [0])
    with pytest.raises(ValueError, match="one seed for each of 2 rows"):
        DoorWallExpert().reset(gym.make_vec("DoorWall-v0", num_envs=2), [0])
