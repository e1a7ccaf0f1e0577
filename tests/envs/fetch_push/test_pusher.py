import gymnasium as gym
import numpy as np
import pytest

from gbplan.data import make_vector_env, run_episodes
from gbplan.envs.fetch_push import FetchPusherPolicy

ID = "gbplan/FetchPush-v0"


def collect(seeds, **settings):
    envs = make_vector_env(ID, len(seeds), {"continuing_task": True})
    return run_episodes(envs, FetchPusherPolicy(**settings), seeds=seeds)


def test_pusher_moves_the_cube_in_most_episodes_and_keeps_it_on_the_table():
    episodes = collect(range(12))
    cubes = episodes.observations["achieved_goal"]
    last = episodes.starts + 50
    moved = np.linalg.norm(cubes[last] - cubes[episodes.starts], axis=1)
    assert (moved > 0.03).mean() > 0.6
    assert (cubes[last, 2] > 0.39).mean() > 0.8


def test_pusher_of_a_row_depends_on_its_own_seed_only():
    rows = [3, 7]
    both, one = collect(rows), collect(rows[1:])
    np.testing.assert_array_equal(both.actions[both.starts[1] :], one.actions)


def test_noise_and_speed_are_what_was_asked_for():
    calm = collect([0], action_noise=0.0, max_speed=0.3)
    assert np.abs(calm.actions).max() <= 0.3 + 1e-6


def test_pusher_refuses_other_worlds_and_wrong_settings():
    with pytest.raises(ValueError, match=r"FetchPusherPolicy is for gbplan/FetchPush-v0"):
        FetchPusherPolicy().reset(gym.make_vec("DoorWall-v0", num_envs=1), [0])
    with pytest.raises(ValueError, match="action_noise must be finite and not negative, got -1"):
        FetchPusherPolicy(action_noise=-1)
    with pytest.raises(ValueError, match="max_speed must be positive and finite, got 0"):
        FetchPusherPolicy(max_speed=0)
