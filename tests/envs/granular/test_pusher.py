import gymnasium as gym
import numpy as np
import pytest

from gbplan.data import make_vector_env, run_episodes
from gbplan.envs import GranularPusherPolicy

ID = "gbplan/Granular-v0"


def collect(seeds, steps, **settings):
    arguments = {"task": "shape", "continuing_task": True, "max_episode_steps": steps}
    return run_episodes(make_vector_env(ID, len(seeds), arguments), GranularPusherPolicy(**settings), seeds=seeds)


def test_nearly_every_push_touches_discs_and_they_stay_near_the_middle():
    episodes = collect(range(2), 10)
    assert episodes.infos["contact"].reshape(2, 11)[:, 1:].mean() > 0.9
    assert np.abs(episodes.observations["achieved_goal"]).max() < 0.6


def test_pusher_of_a_row_depends_on_its_own_seed_only():
    both, one = collect([3, 7], 2), collect([7], 2)
    np.testing.assert_array_equal(both.actions[both.starts[1] :], one.actions)


def test_pusher_refuses_other_worlds_wrong_settings_and_rows_it_was_not_reset_for():
    with pytest.raises(ValueError, match=r"GranularPusherPolicy is for gbplan/Granular-v0"):
        GranularPusherPolicy().reset(gym.make_vec("DoorWall-v0", num_envs=1), [0])
    with pytest.raises(ValueError, match="action_noise must be finite and not negative, got -1"):
        GranularPusherPolicy(action_noise=-1)
    envs = gym.make_vec(ID, num_envs=2)
    with pytest.raises(ValueError, match="expected one seed for each of 2 rows, got 1 seeds"):
        GranularPusherPolicy().reset(envs, [0])
    with pytest.raises(RuntimeError, match="was reset for 0 rows, got 2"):
        GranularPusherPolicy().act({"observation": np.zeros((2, 60))})
