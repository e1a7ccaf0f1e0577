import gymnasium as gym
import numpy as np
import pytest

from gbplan.envs.point_maze import PointMazeExpert
from gbplan.envs.point_maze.maze import LAYOUTS
from gbplan.policies import ExpertPolicy

ID = "gbplan/PointMaze-v0"


def solve(count, action_noise=0.0, **world):
    """Length of each row's path to its goal, infinite if it does not get there in time, and of the shortest one."""
    envs = gym.make_vec(ID, num_envs=count, continuing_task=True, goal_threshold=0.1, **world)
    observation, infos = envs.reset(seed=0)
    expert = ExpertPolicy(action_noise)
    expert.reset(envs, range(count))
    shortest = envs.unwrapped.shortest_path(observation["observation"], observation["desired_goal"])
    length, reached, over = np.zeros(count), infos["is_success"], np.zeros(count, np.bool_)
    while not reached.all() and not over.all():
        before = observation["achieved_goal"]
        observation, _, _, over, infos = envs.step(expert.act(observation))
        length += np.where(reached, 0.0, np.linalg.norm(observation["achieved_goal"] - before, axis=1))
        reached |= infos["is_success"]
    return np.where(reached, length, np.inf), shortest


@pytest.mark.parametrize("maze", LAYOUTS)
@pytest.mark.parametrize("task", ["uniform", "detour"])
def test_expert_gets_within_a_tenth_of_every_goal(maze, task):
    length, shortest = solve(32, maze=maze, task=task)
    assert np.isfinite(length).all()
    assert (length > shortest - 0.1).all()


@pytest.mark.parametrize("frame_skip", [1, 10])
def test_expert_copes_with_short_and_long_steps(frame_skip):
    assert np.isfinite(solve(24, frame_skip=frame_skip)[0]).all()


def test_noise_does_not_get_the_expert_stuck():
    assert np.isfinite(solve(32, action_noise=0.5, maze="medium")[0]).all()


def test_expert_goes_through_the_middle_of_cells_and_no_further_round():
    length, shortest = solve(32, maze="large", task="detour", start_speed=0.0)
    assert 1.1 < (length / shortest).mean() < 1.4


def test_noise_of_a_row_depends_on_its_own_seed_only():
    envs = gym.make_vec(ID, num_envs=3)
    observation, _ = envs.reset(seed=0, options={"state": [-1.0, 1.0], "goal": [-1.0, 1.0]})  # its best is to stay
    one, other = envs.unwrapped.expert(0.5), envs.unwrapped.expert(0.5)
    one.reset(envs, [1, 2, 3])
    other.reset(envs, [9, 2, 8])
    first, second = one.act(observation), other.act(observation, np.array([False, True, True]))
    np.testing.assert_array_equal(first[1], second[1])
    assert (first[2] != second[2]).any()
    assert first in envs.action_space


def test_expert_works_over_any_leading_axes_without_reset():
    env = gym.make(ID).unwrapped
    observation, _ = env.reset(seed=0)
    action = env.expert().act(observation)
    assert action in env.action_space
    stacked = {key: np.tile(value, (3, 5, 1)) for key, value in observation.items()}
    np.testing.assert_array_equal(env.expert().act(stacked), np.tile(action, (3, 5, 1)))


def test_expert_gets_to_know_the_maze_it_is_reset_in():
    envs = gym.make_vec(ID, num_envs=2, vectorization_mode="sync", maze="large")
    observation, _ = envs.reset(seed=0)
    expert = PointMazeExpert()
    with pytest.raises(RuntimeError, match="PointMazeExpert has not been reset; call reset"):
        expert.act(observation)
    expert.reset(envs, [0, 1])
    np.testing.assert_array_equal(expert.act(observation), envs.envs[0].unwrapped.expert().act(observation))
    with pytest.raises(TypeError, match="needs a gbplan/PointMaze-v0 environment"):
        expert.reset(gym.make_vec("DoorWall-v0", num_envs=1), [0])
