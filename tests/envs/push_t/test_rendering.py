import gymnasium as gym
import numpy as np
import pytest

from gbplan.envs import optional_method
from gbplan.envs.push_t.rendering import AGENT, BLOCK, GOAL_AGENT, GOAL_BLOCK, TABLE, WALL
from gbplan.envs.push_t.states import at_rest
from gbplan.envs.push_t.tasks import draw_start

STATE = at_rest(100, 120, 250, 260, 0.0)


def colour_at(picture, x, y):
    scale = len(picture) / 512
    return tuple(picture[int(y * scale), int(x * scale)].tolist())


def render(states, size=64):
    return optional_method(gym.make("gbplan/PushT-v0"), "render_state")(states, size)


def states(count):
    rng = np.random.default_rng(0)
    return np.array([draw_start(rng) for _ in range(count)], np.float32)


@pytest.mark.parametrize("size", [64, 96, 224])
def test_picture_shows_table_block_and_agent_where_they_are(size):
    (picture,) = render([STATE], size)
    assert (picture.shape, picture.dtype) == ((size, size, 3), np.uint8)
    places = {(100, 120): AGENT, (250, 275): BLOCK, (200, 275): BLOCK, (250, 290): BLOCK, (250, 360): BLOCK}
    places |= {(250, 240): TABLE, (300, 330): TABLE, (2, 250): WALL, (250, 509): WALL}
    for place, colour in places.items():
        np.testing.assert_allclose(colour_at(picture, *place), colour, atol=6)  # walls are 7 px wide, and pixels 8


def test_picture_turns_with_the_block():
    (picture,) = render([at_rest(100, 120, 250, 260, np.pi / 2)])
    assert colour_at(picture, 160, 260) == BLOCK  # the stem points to -x
    assert colour_at(picture, 235, 310) == BLOCK
    assert colour_at(picture, 250, 360) == TABLE


def test_pixels_change_smoothly_with_the_state():
    darkness = 255.0 - render(states(50)).astype(np.float64)
    area = darkness[:, 3:-3, 3:-3].sum(axis=(1, 2))  # walls aside
    expected = (255 - np.array(BLOCK)) * 6300 / 64 + (255 - np.array(AGENT)) * np.pi * 15**2 / 64
    inside = np.abs(states(50)[:, :2] - 256).max(axis=1) < 200
    np.testing.assert_allclose(area[inside] / expected, 1.0, atol=0.03)
    shifted = np.array([at_rest(100 + 0.25 * i, 120, 250, 260 + 0.25 * i, 0.3) for i in range(40)])
    assert np.abs(np.diff(render(shifted).astype(int), axis=0)).max() < 30


def test_goal_is_drawn_as_the_state_that_reaches_it():
    env, block = gym.make("gbplan/PushT-v0"), gym.make("gbplan/PushT-v0", success="block")
    np.testing.assert_array_equal(optional_method(env, "render_goal")([STATE[:6]]), render([STATE]))
    (picture,) = optional_method(block, "render_goal")([STATE[2:6]])
    assert colour_at(picture, 250, 275) == BLOCK
    assert colour_at(picture, 100, 120) == TABLE


def test_picture_does_not_depend_on_those_drawn_with_it():
    some = states(100)
    together = render(some)
    for row in (0, 63, 64, 99):
        np.testing.assert_array_equal(together[row], render(some[row : row + 1])[0])
    assert render(some[:0]).shape == (0, 64, 64, 3)


def test_episode_shows_its_goal():
    env = gym.make("gbplan/PushT-v0", render_mode="rgb_array")
    env.reset(options={"state": STATE, "goal": [400, 100, 350, 350, 0.0]})
    picture = env.render()
    assert picture.shape == (256, 256, 3)
    places = {(100, 120): AGENT, (250, 275): BLOCK, (400, 100): GOAL_AGENT, (350, 365): GOAL_BLOCK}
    assert {place: colour_at(picture, *place) for place in places} == places


def test_pixel_form_has_pictures_of_state_and_goal():
    envs = gym.make_vec("gbplan/PushTPixels-v0", num_envs=2, task="pose", size=32)
    observation, _ = envs.reset(seed=0)
    np.testing.assert_array_equal(observation["pixels"], render(observation["observation"], 32))
    observation, *_ = envs.step(np.full((2, 2), 0.5, np.float32))
    np.testing.assert_array_equal(observation["pixels"], render(observation["observation"], 32))
    assert observation in envs.observation_space


@pytest.mark.parametrize(
    ("rows", "size", "message"),
    [
        (STATE, 64, r"states to draw must have shape \(N, 11\), goals \(N, 6\) or \(N, 4\), got \(11,\)"),
        ([STATE], 4, "size must be a whole number of pixels, at least 8, got 4"),
    ],
)
def test_what_cannot_be_drawn_is_named(rows, size, message):
    with pytest.raises(ValueError, match=message):
        render(rows, size)
