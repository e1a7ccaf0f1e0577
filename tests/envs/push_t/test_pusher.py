import gymnasium as gym
import numpy as np
import pytest

from gbplan.data import make_vector_env, run_episodes
from gbplan.envs import NoisyPusherPolicy
from gbplan.envs.push_t import geometry


@pytest.fixture(scope="module")
def episodes():
    envs = make_vector_env("gbplan/PushT-v0", 16, {"task": "pose"})
    return run_episodes(envs, NoisyPusherPolicy(), seeds=range(16))


def test_block_is_moved_in_most_episodes_and_seldom_left_at_a_wall(episodes):
    observed = episodes.observations["observation"]
    last = np.append(episodes.starts[1:], len(observed)) - 1
    moved = np.linalg.norm(observed[last, 2:4] - observed[episodes.starts, 2:4], axis=1)
    assert (moved > 20).mean() > 0.9
    assert 0.2 < episodes.infos["contact"].mean() < 0.6
    at_wall = [geometry.beyond_walls(pose) > -2 for pose in observed[::3, 2:6].tolist()]
    assert np.mean(at_wall) < 0.25


def test_block_is_pushed_everywhere_and_every_way(episodes):
    observed = episodes.observations["observation"]
    assert (observed[:, 2:4].std(axis=0) > 60).all()
    assert np.abs(observed[:, 4:6].mean(axis=0)).max() < 0.4
    speed = observed[:, 8:10][episodes.infos["contact"]]
    assert (np.abs(speed.mean(axis=0)) < 0.3 * speed.std(axis=0)).all()


def actions(seeds, active=None, **arguments):
    envs = gym.make_vec("gbplan/PushT-v0", num_envs=len(seeds), task="pose")
    observation, _ = envs.reset(seed=[5] * len(seeds))
    policy = NoisyPusherPolicy(**arguments)
    policy.reset(envs, seeds)
    made = [policy.act(observation, active) for _ in range(20)]
    assert all(action in envs.action_space for action in made)
    return np.array(made)


def test_row_depends_on_its_own_seed_only_and_inactive_rows_stand_still():
    np.testing.assert_array_equal(actions([1, 2, 3])[:, 1], actions([7, 2])[:, 1])
    assert (actions([1, 2])[:, 0] != actions([1, 2])[:, 1]).any()
    still = actions([1, 2], np.array([False, True]))
    assert not still[:, 0].any()
    np.testing.assert_array_equal(still[:, 1], actions([1, 2])[:, 1])


def test_speed_is_limited_but_for_the_noise():
    assert np.linalg.norm(actions([1, 2, 3], action_noise=0.0, max_speed=0.4), axis=-1).max() <= 0.4 + 1e-6


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="NoisyPusherPolicy is for gbplan/PushT-v0, whose states are 11 numbers"):
        NoisyPusherPolicy().reset(gym.make_vec("DoorWall-v0", num_envs=2), [0, 1])
    envs = gym.make_vec("gbplan/PushT-v0", num_envs=2)
    with pytest.raises(ValueError, match="one seed for each of 2 rows, got 1"):
        NoisyPusherPolicy().reset(envs, [0])
    with pytest.raises(RuntimeError, match="was reset for 0 rows, got 2"):
        NoisyPusherPolicy().act(envs.reset(seed=0)[0])
    for arguments in ({"action_noise": -1.0}, {"max_speed": 0.0}):
        with pytest.raises(ValueError, match=next(iter(arguments))):
            NoisyPusherPolicy(**arguments)
