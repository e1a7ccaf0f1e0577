import gymnasium as gym
import numpy as np
import pytest

from gbplan.envs import optional_method
from gbplan.envs.door_wall.rendering import DOOR, VIEW, scene_of
from gbplan.envs.door_wall.world import World
from gbplan.envs.planar import AGENT, BACKGROUND, GOAL, START, TRAIL, WALL, draw_episode


def colour_at(image, x, y):
    middle, scale = len(image) / 2 - 0.5, len(image) / (2 * VIEW)
    return tuple(image[round(middle - y * scale), round(middle + x * scale)])


def averaged(pictures, factor):
    size = pictures.shape[1] // factor
    return pictures.reshape(len(pictures), size, factor, size, factor, 3).mean(axis=(2, 4))


def test_picture_shows_walls_door_agent_goal_and_trail_where_they_are():
    scene = scene_of(World(door_center=1.0, door_half_width=0.5))
    image = draw_episode(scene, [(-1.5, -1.0), (-0.5, -1.0)], (1.5, -1.5), 0.1)
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
    image = draw_episode(scene_of(World(door_half_width=2.0)), [(-1.0, 0.0)], (1.0, 0.0), 0.1)
    assert colour_at(image, 0.0, 1.9) == DOOR


def states_everywhere(count):
    """Half of them about the wall and the borders."""
    states = np.random.default_rng(0).uniform(-1.999, 1.999, (count, 2)).astype(np.float32)
    states[: count // 4, 0] /= 20
    states[count // 4 : count // 2] = np.copysign(1.999, states[count // 4 : count // 2])
    return states


def test_small_pictures_show_the_room_and_the_agent():
    env = gym.make("DoorWall-v0", door_center=1.0)
    (picture,) = optional_method(env, "render_state")([[-1.0, -0.5]])
    assert (picture.shape, picture.dtype) == ((64, 64, 3), np.uint8)
    places = {(0.0, 0.3): WALL, (0.0, 1.0): DOOR, (2.05, 0.0): WALL, (-1.0, -0.5): AGENT, (1.0, 1.0): BACKGROUND}
    assert {place: colour_at(picture, *place) for place in places} == places
    np.testing.assert_array_equal(optional_method(env, "render_goal")([[-1.0, -0.5]])[0], picture)


@pytest.mark.parametrize("size", [16, 32, 64, 128])
def test_small_pictures_are_the_large_one_averaged_down(size):
    render = optional_method(gym.make("DoorWall-v0"), "render_state")
    states = states_everywhere(64)
    np.testing.assert_allclose(render(states, size), averaged(render(states, 256), 256 // size), atol=1)


@pytest.mark.parametrize(("size", "fine"), [(84, 252), (96, 192), (10, 250)])
def test_pictures_of_other_sizes_are_averaged_down_from_their_largest_multiple(size, fine):
    render, states = optional_method(gym.make("DoorWall-v0"), "render_state"), states_everywhere(16)
    np.testing.assert_allclose(render(states, size), averaged(render(states, fine), fine // size), atol=1)


def test_large_pictures_are_the_rendered_ones_but_for_goal_and_trail():
    env = gym.make("DoorWall-v0", render_mode="rgb_array")
    for state in states_everywhere(16):
        goal = -np.sign(state) * np.float32([1.0, 1.0])
        env.reset(options={"state": state, "goal": goal})
        shown, drawn = env.render(), optional_method(env, "render_state")(state[None], 256)[0]
        other = (shown != drawn).any(axis=-1)
        rows, columns = np.nonzero(other)
        scale = 256 / (2 * VIEW)
        away = np.hypot((columns + 0.5) / scale - VIEW - goal[0], VIEW - (rows + 0.5) / scale - goal[1])
        assert 0 < len(away) < 200
        assert away.max() < 0.1 + 1 / scale  # the goal's own disc; the start lies under the agent


def test_picture_tells_the_position_much_finer_than_its_pixels():
    render = optional_method(gym.make("DoorWall-v0"), "render_state")
    x, y = np.meshgrid(np.linspace(0.5, 1.5, 41), np.linspace(-0.5, 0.5, 41))  # on the open floor
    states = np.stack([x.ravel(), y.ravel()], axis=1)
    darkness = (BACKGROUND[0] - render(states)[..., 0].astype(np.float64))[:, 4:60, 34:60]  # beside walls
    places = (np.arange(64) + 0.5) / 15 - VIEW
    weight = darkness / darkness.sum(axis=(1, 2), keepdims=True)
    found = np.stack(
        [(weight * places[None, None, 34:60]).sum((1, 2)), -(weight * places[None, 4:60, None]).sum((1, 2))]
    )
    assert np.abs(found.T - states).max() < 0.003  # a pixel is 0.067


def test_picture_does_not_depend_on_those_drawn_with_it():
    render = optional_method(gym.make("DoorWall-v0"), "render_state")
    states = states_everywhere(600)
    together = render(states)
    for row in (0, 255, 256, 599):
        np.testing.assert_array_equal(together[row], render(states[row : row + 1])[0])
    assert render(states[:0]).shape == (0, 64, 64, 3)


def test_velocity_is_not_seen():
    render = optional_method(gym.make("DoorWall-v0", dynamics="velocity"), "render_state")
    np.testing.assert_array_equal(render([[0.5, 0.5, 0.1, 0.0]]), render([[0.5, 0.5, 0.0, -0.1]]))


@pytest.mark.parametrize(
    ("states", "size", "message"),
    [
        ([0.5, 0.5], 64, r"states to draw must have shape \(N, 2\) or \(N, 4\), got \(2,\)"),
        ([[0.5, 0.5]], 4, "size must be a whole number of pixels, at least 8, got 4"),
        ([[0.5, 0.5]], 64.0, "size must be a whole number of pixels, at least 8, got 64.0"),
    ],
)
def test_what_cannot_be_drawn_is_named(states, size, message):
    with pytest.raises(ValueError, match=message):
        optional_method(gym.make("DoorWall-v0"), "render_state")(states, size)


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
