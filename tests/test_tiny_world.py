import gymnasium as gym
import numpy as np
import pytest
import tiny_world
from gymnasium.utils.env_checker import check_env

from gbplan.data import make_vector_env, run_episodes
from gbplan.envs import optional_method
from gbplan.envs.contract import MADE_FOR, require_contract
from gbplan.policies import ExpertPolicy


@pytest.mark.filterwarnings("error")
def test_tiny_world_is_valid_and_keeps_the_contract():
    check_env(gym.make("TinyPixels-v0").unwrapped)
    assert require_contract("TinyPixels-v0") == tiny_world.TIME_LIMIT


def test_tiny_world_judges_success_but_measures_no_distance():
    env = gym.make("TinyPixels-v0")
    assert {name for name in MADE_FOR if optional_method(env, name)} == {"expert", "compute_success"}
    goal = np.zeros(4)
    near, turned, far = np.diag([0.25, 0.0, 0.0, 0.0])[0], [0, 0, 0, 0.6], [0.35, 0, 0, 0]
    success = optional_method(env, "compute_success")([near, turned, far, [0.2, 0, 0, 2 * np.pi]], goal)
    assert success.tolist() == [1, 0, 0, 1]


def test_expert_of_the_tiny_world_arrives_in_time():
    envs = make_vector_env("TinyPixels-v0", 64)
    episodes = run_episodes(envs, ExpertPolicy(), seeds=list(range(64)))
    assert episodes.terminated.mean() > 0.95
    success = optional_method(envs, "compute_success")(
        episodes.observations["achieved_goal"], episodes.observations["desired_goal"]
    )
    np.testing.assert_array_equal(success, episodes.infos["is_success"])
    noisy = run_episodes(envs, ExpertPolicy(0.5), seeds=list(range(64)))
    assert (noisy.actions[: noisy.lengths[0]] != episodes.actions[: noisy.lengths[0]]).any()


def test_pictures_of_the_tiny_world_tell_the_state():
    state = np.array([0.1, -0.3, 0.4, 1.0])
    for axis, change in enumerate(np.diag([0.1, 0.1, 0.1, 0.3])):
        assert (tiny_world.picture(state) != tiny_world.picture(state + change)).any(), axis
