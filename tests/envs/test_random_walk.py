import gymnasium as gym
import numpy as np
import pytest

from gbplan.envs import Policy, RandomWalkPolicy


def walk(seeds, steps=200, **arguments):
    envs = gym.make_vec("DoorWall-v0", num_envs=len(seeds))
    observation, _ = envs.reset(seed=0)
    policy = RandomWalkPolicy(**arguments)
    policy.reset(envs, seeds)
    actions = np.array([policy.act(observation) for _ in range(steps)])
    assert all(action in envs.action_space for action in actions)
    return actions


def test_speed_stays_in_its_range_and_the_heading_turns_by_the_stated_deviation():
    actions = walk(range(50), turn=0.2, min_speed=0.3, max_speed=0.8)
    speed = np.linalg.norm(actions, axis=-1)
    assert speed.min() >= 0.3 - 1e-6
    assert speed.max() <= 0.8 + 1e-6
    heading = np.arctan2(actions[..., 1], actions[..., 0])
    turns = np.angle(np.exp(1j * np.diff(heading, axis=0)))
    assert turns.std() == pytest.approx(0.2, rel=0.03)


def test_walk_goes_every_way():
    actions = walk(range(400), steps=1)[0]
    assert np.abs(actions.mean(axis=0)).max() < 5 * 0.5 / 20


def test_row_depends_on_its_own_seed_only():
    np.testing.assert_array_equal(walk([1, 2, 3])[:, 1], walk([7, 2])[:, 1])


def test_inactive_rows_stand_still_and_draw_nothing():
    envs = gym.make_vec("DoorWall-v0", num_envs=2)
    observation, _ = envs.reset(seed=0)
    policy, other = RandomWalkPolicy(), RandomWalkPolicy()
    policy.reset(envs, [0, 1])
    other.reset(envs, [0, 1])
    np.testing.assert_array_equal(policy.act(observation, np.array([True, False]))[1], [0.0, 0.0])
    np.testing.assert_array_equal(policy.act(observation)[1], other.act(observation)[1])


def test_misuse_says_what_to_do():
    assert issubclass(RandomWalkPolicy, Policy)
    envs = gym.make_vec("DoorWall-v0", num_envs=2)
    observation, _ = envs.reset(seed=0)
    with pytest.raises(RuntimeError, match="was reset for 0 rows and got 2; call reset"):
        RandomWalkPolicy().act(observation)
    with pytest.raises(ValueError, match="one seed for each of 2 rows"):
        RandomWalkPolicy().reset(envs, [0])
    with pytest.raises(ValueError, match="symmetric Box of shape"):
        RandomWalkPolicy().reset(gym.make_vec("CartPole-v1", num_envs=2), [0, 1])
    with pytest.raises(ValueError, match="min_speed <= max_speed"):
        RandomWalkPolicy(min_speed=0.9, max_speed=0.5)
    with pytest.raises(ValueError, match="turn must be"):
        RandomWalkPolicy(turn=-0.1)
