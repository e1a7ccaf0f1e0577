import gymnasium as gym
import numpy as np
import pytest

from gbplan.envs.fetch_push.pushing import BEHIND, push
from gbplan.policies import ExpertPolicy

ID = "gbplan/FetchPush-v0"


def reached(count, action_noise=0.0, **world):
    """Whether each row's goal is reached within the time limit."""
    envs = gym.make_vec(ID, num_envs=count, continuing_task=True, **world)
    observation, infos = envs.reset(seed=0)
    expert = ExpertPolicy(action_noise)
    expert.reset(envs, range(count))
    hit, over = infos["is_success"], np.zeros(count, np.bool_)
    while not hit.all() and not over.all():
        observation, _, _, over, infos = envs.step(expert.act(observation))
        hit = hit | infos["is_success"]
    return hit


@pytest.mark.parametrize("task", ["uniform", "far"])
def test_expert_reaches_every_goal(task):
    assert reached(16, task=task).all()


def test_expert_recovers_from_noise():
    assert reached(16, action_noise=0.3).mean() >= 0.75


def test_gripper_behind_the_cube_pushes_and_elsewhere_it_rises_first():
    cube, goal = np.array([1.3, 0.7, 0.425]), np.array([1.4, 0.7, 0.425])
    behind = np.array([1.3 - BEHIND, 0.7, 0.42])
    x, y, z, last = push(behind, cube, goal)
    assert x > 0
    assert (y, z, last) == (0, 0, 0)
    x, y, z, _ = push(np.array([1.4, 0.7, 0.42]), cube, goal)
    assert (x, y) == (0, 0)
    assert z > 0


def test_expert_waits_at_the_goal():
    goal = np.array([1.4, 0.7, 0.425])
    np.testing.assert_array_equal(push(goal - [0.05, 0, 0], goal - [0.005, 0, 0], goal), np.zeros(4))
