import gymnasium as gym
import numpy as np
import pytest

from gbplan.envs.door_wall.rendering import AGENT, BACKGROUND, DOOR, GOAL, SCALE, SIZE, START, TRAIL, WALL, draw_world
from gbplan.envs.door_wall.world import World


def colour_at(image, x, y):
    column, row = round(SIZE / 2 - 0.5 + x * SCALE), round(SIZE / 2 - 0.5 - y * SCALE)
    return tuple(image[row, column])


def test_picture_shows_walls_door_agent_goal_and_trail_where_they_are():
    image = draw_world(World(door_center=1.0, door_half_width=0.5), [(-1.5, -1.0), (-0.5, -1.0)], (1.5, -1.5))
    assert image.shape == (256, 256, 3)
    assert image.dtype == np.uint8
    expected = {
        (0.0, 0.3): WALL,
        (0.0, 1.7): WALL,
        (0.0, 1.0): DOOR,
        (0.0, 0.6): DOOR,
        (2.03, 0.0): WALL,
        (0.5, -2.03): WALL,
        (-0.5, -1.0): AGENT,
        (-1.5, -1.0): START,
        (-1.0, -1.0): TRAIL,
        (1.5, -1.5): GOAL,
        (-1.0, 1.0): BACKGROUND,
        (1.0, 1.0): BACKGROUND,
    }
    assert {place: colour_at(image, *place) for place in expected} == expected


def test_door_up_to_the_border_can_be_drawn():
    image = draw_world(World(door_half_width=2.0), [(-1.0, 0.0)], (1.0, 0.0))
    assert colour_at(image, 0.0, 1.9) == DOOR


def test_both_forms_of_the_environment_draw_the_same_picture():
    env = gym.make("DoorWall-v0", render_mode="rgb_array")
    envs = gym.make_vec("DoorWall-v0", num_envs=2, render_mode="rgb_array")
    env.reset(seed=1)
    envs.reset(seed=0)
    for action in np.random.default_rng(0).uniform(-1, 1, (5, 2)):
        env.step(action.astype(np.float32))
        envs.step(np.tile(action, (2, 1)).astype(np.float32))
    pictures = envs.render()
    assert len(pictures) == 2
    np.testing.assert_array_equal(env.render(), pictures[1])
    envs.reset(options={"reset_mask": np.array([False, True])})
    again = envs.render()
    np.testing.assert_array_equal(again[0], pictures[0])
    assert (again[1] != pictures[1]).any()


@pytest.mark.filterwarnings("ignore:.*Overwriting existing videos.*")
def test_record_video_works(tmp_path):
    pytest.importorskip("moviepy")
    env = gym.wrappers.RecordVideo(gym.make("DoorWall-v0", render_mode="rgb_array"), str(tmp_path))
    observation, _ = env.reset(seed=0)
    expert = env.unwrapped.expert()
    over = False
    while not over:
        observation, _, terminated, truncated, _ = env.step(expert.act(observation))
        over = terminated or truncated
    env.close()
    (video,) = tmp_path.glob("*.mp4")
    assert video.stat().st_size > 1000
