import gymnasium as gym
import numpy as np
import pytest

from gbplan.data import make_vector_env, run_episodes
from gbplan.envs.rope import RopePusherPolicy

ID = "gbplan/Rope-v0"


def collect(seeds, action, steps, **settings):
    arguments = {"action": action, "task": "shape", "continuing_task": True, "max_episode_steps": steps}
    return run_episodes(make_vector_env(ID, len(seeds), arguments), RopePusherPolicy(**settings), seeds=seeds)


def test_nearly_every_push_touches_the_rope_and_it_stays_in_reach():
    episodes = collect(range(3), "push", 3)
    contact = episodes.infos["contact"].reshape(3, 4)[:, 1:]
    assert contact.mean() > 0.8
    assert np.abs(episodes.observations["achieved_goal"]).max() < 0.6


def test_small_steps_touch_the_rope_now_and_then():
    episodes = collect(range(2), "small", 60)
    assert 0.05 < episodes.infos["contact"].mean() < 0.9
    shapes = episodes.observations["achieved_goal"]
    assert np.abs(shapes[episodes.starts + 60] - shapes[episodes.starts]).max() > 0.02


@pytest.mark.parametrize("action", ["push", "small"])
def test_pusher_of_a_row_depends_on_its_own_seed_only(action):
    both, one = collect([3, 7], action, 2), collect([7], action, 2)
    np.testing.assert_array_equal(both.actions[both.starts[1] :], one.actions)


def test_small_steps_without_noise_are_no_longer_than_asked_for():
    calm = collect([0], "small", 10, action_noise=0.0, max_speed=0.5)
    assert np.linalg.norm(calm.actions, axis=1).max() <= 0.5 + 1e-6


def test_pusher_refuses_other_worlds_and_wrong_settings():
    with pytest.raises(ValueError, match=r"RopePusherPolicy is for gbplan/Rope-v0"):
        RopePusherPolicy().reset(gym.make_vec("DoorWall-v0", num_envs=1), [0])
    with pytest.raises(ValueError, match="action_noise must be finite and not negative, got -1"):
        RopePusherPolicy(action_noise=-1)
