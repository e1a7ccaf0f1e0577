import gymnasium as gym
import numpy as np

from gbplan.envs import optional_method
from gbplan.envs.planar import AGENT, BACKGROUND, START, TRAIL, WALL, draw_episode
from gbplan.envs.point_maze.rendering import scene_of

ID = "gbplan/PointMaze-v0"


def colour_at(image, view, x, y):
    middle, scale = len(image) / 2 - 0.5, len(image) / (2 * view)
    return tuple(image[round(middle - y * scale), round(middle + x * scale)])


def test_picture_shows_walls_agent_trail_and_start_where_they_are():
    image = draw_episode(scene_of("umaze"), [(-1.0, 1.0), (0.0, 1.0), (1.0, 1.0)], (-1.0, -1.0), 0.45)
    assert (image.shape, image.dtype) == ((256, 256, 3), np.uint8)
    expected = {
        (0.0, 0.0): WALL,
        (-1.0, 0.45): WALL,
        (1.7, 0.0): WALL,
        (1.0, 0.0): BACKGROUND,
        (0.5, -1.0): BACKGROUND,  # between two cells there is no seam
        (1.0, 1.0): AGENT,
        (-1.0, 1.0): START,
        (0.0, 1.0): TRAIL,
    }
    assert {place: colour_at(image, 2.5, *place) for place in expected} == expected


def test_small_pictures_show_the_state_and_not_the_goal():
    env = gym.make(ID, render_mode="rgb_array")
    observation, _ = env.reset(seed=0, options={"state": [-1.0, 1.0], "goal": [-1.0, -1.0]})
    pictures = optional_method(env, "render_state")(observation["observation"][None])
    assert pictures.shape == (1, 64, 64, 3)
    assert [colour_at(pictures[0], 2.5, -1.0, y) for y in (1.0, 0.0, -1.0)] == [AGENT, WALL, BACKGROUND]
    goal = optional_method(env, "render_goal")(observation["desired_goal"][None])[0]
    assert [colour_at(goal, 2.5, -1.0, y) for y in (1.0, 0.0, -1.0)] == [BACKGROUND, WALL, AGENT]


def test_both_forms_of_the_environment_draw_the_same_picture():
    env = gym.make(ID, render_mode="rgb_array")
    envs = gym.make_vec(ID, num_envs=2, render_mode="rgb_array")
    env.reset(seed=1)
    envs.reset(seed=0)
    for action in np.random.default_rng(0).uniform(-1, 1, (5, 2)):
        env.step(action.astype(np.float32))
        envs.step(np.tile(action, (2, 1)).astype(np.float32))
    pictures = envs.render()
    assert len(pictures) == 2
    np.testing.assert_array_equal(env.render(), pictures[1])
    assert (pictures[0] != pictures[1]).any()
