import gymnasium as gym
import numpy as np
import pytest

from gbplan.envs.planar import AGENT, BACKGROUND
from gbplan.envs.rope.rendering import ROPE, draw, draw_episode

ID = "gbplan/Rope-v0"
STRAIGHT = np.stack([0.02 * np.arange(-10, 11), np.zeros(21)], axis=1)


def is_colour(picture, colour):
    return (picture == colour).all(axis=-1)


def test_rope_and_tip_are_where_they_are_and_as_large_as_they_are():
    tip = [0.0, 0.25]
    picture = draw(STRAIGHT[None], np.array([tip]), 500)[0]  # a pixel is 2 mm
    rows, columns = np.nonzero(is_colour(picture, ROPE))
    assert (rows.min(), rows.max()) == pytest.approx((245, 254), abs=1)  # 2 cm wide, through the middle
    assert (columns.min(), columns.max()) == pytest.approx((145, 354), abs=1)  # 40 cm long, with round ends
    rows, columns = np.nonzero(is_colour(picture, AGENT))
    assert rows.mean() == pytest.approx(124.5, abs=0.5)  # y points up
    assert columns.mean() == pytest.approx(249.5, abs=0.5)
    assert len(rows) == pytest.approx(np.pi * 7.5**2, rel=0.2)


def test_pictures_do_not_depend_on_what_is_drawn_with_them():
    rng = np.random.default_rng(0)
    shapes, tips = STRAIGHT + rng.uniform(-0.2, 0.2, (40, 1, 2)), rng.uniform(-0.4, 0.4, (40, 2))
    together = draw(shapes, tips, 32)
    for row in (0, 17, 39):
        np.testing.assert_array_equal(together[row], draw(shapes[row : row + 1], tips[row : row + 1], 32)[0])


def test_parked_tip_and_goal_without_tip_look_the_same():
    env = gym.make(ID).unwrapped
    observation, _ = env.reset(seed=0, options={"state": STRAIGHT.ravel(), "goal": (STRAIGHT + 0.1).ravel()})
    np.testing.assert_array_equal(
        env.render_state(observation["observation"][None]), env.render_goal(observation["achieved_goal"][None])
    )


def test_episode_shows_the_goal_beneath_the_rope():
    alone, over = (
        draw_episode(STRAIGHT, [1, 1], STRAIGHT),
        draw_episode(STRAIGHT, [1, 1], STRAIGHT + np.array([0, 0.1])),
    )
    assert is_colour(over, ROPE).sum() == is_colour(alone, ROPE).sum()
    drawn = [(~is_colour(picture, BACKGROUND)).sum() for picture in (alone, over)]
    assert drawn[1] == pytest.approx(2 * drawn[0], rel=0.05)
    env = gym.make(ID, render_mode="rgb_array").unwrapped
    env.reset(seed=0, options={"state": STRAIGHT.ravel(), "goal": (STRAIGHT + 0.1).ravel()})
    assert env.render().shape == (256, 256, 3)


def test_nothing_and_what_cannot_be_drawn():
    assert draw(np.zeros((0, 42)), None, 16).shape == (0, 16, 16, 3)
    with pytest.raises(ValueError, match=r"shapes to draw must have shape \(N, 42\), got \(42,\)"):
        draw(np.zeros(42), None)
    with pytest.raises(ValueError, match=r"states to draw must have shape \(N, 150\), got \(2, 42\)"):
        gym.make(ID).unwrapped.render_state(np.zeros((2, 42)))
    with pytest.raises(ValueError, match="size must be a whole number of pixels, at least 8, got 4"):
        draw(np.zeros((1, 42)), None, 4)
