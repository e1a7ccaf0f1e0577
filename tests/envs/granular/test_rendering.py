import gymnasium as gym
import numpy as np
import pytest

from gbplan.envs.granular.rendering import DISC, GOAL_DISC, draw, draw_episode

ROW = np.stack([0.03 * np.arange(-15, 15), np.zeros(30)], axis=1)


def is_colour(picture, colour):
    return (picture == colour).all(axis=-1)


def test_discs_are_where_they_are_and_as_large_as_they_are():
    lone = ROW + np.array([0.0, 1.0])  # out of the picture, but for one
    lone[4] = 0.1, 0.2
    picture = draw(lone.reshape(1, 60), 500)[0]  # a pixel is 2 mm
    rows, columns = np.nonzero(is_colour(picture, DISC))
    assert rows.mean() == pytest.approx(149.5, abs=0.5)  # y points up
    assert columns.mean() == pytest.approx(299.5, abs=0.5)
    assert len(rows) == pytest.approx(np.pi * 7.5**2, rel=0.2)


def test_pictures_do_not_depend_on_what_is_drawn_with_them():
    shapes = (ROW + np.random.default_rng(0).uniform(-0.2, 0.2, (20, 1, 2))).reshape(20, 60)
    together = draw(shapes, 32)
    for row in (0, 17):
        np.testing.assert_array_equal(together[row], draw(shapes[row : row + 1], 32)[0])


def test_episode_shows_the_goal_beneath_the_discs():
    alone, over = draw_episode(ROW, ROW), draw_episode(ROW, ROW + np.array([0.0, 25 / 256]))  # by 25 pixels
    assert is_colour(over, DISC).sum() == pytest.approx(is_colour(alone, DISC).sum(), rel=0.01)
    assert is_colour(alone, GOAL_DISC).sum() == 0
    assert is_colour(over, GOAL_DISC).sum() == pytest.approx(is_colour(alone, DISC).sum(), rel=0.05)
    env = gym.make("gbplan/Granular-v0", render_mode="rgb_array", task="shape").unwrapped
    env.reset(seed=0)
    assert env.render().shape == (256, 256, 3)


def test_nothing_and_what_cannot_be_drawn():
    env = gym.make("gbplan/Granular-v0").unwrapped
    assert env.render_state(np.zeros((0, 60)), 16).shape == (0, 16, 16, 3)
    with pytest.raises(ValueError, match=r"discs to draw must have shape \(N, 60\), got \(60,\)"):
        env.render_goal(np.zeros(60))
    with pytest.raises(ValueError, match="size must be a whole number of pixels, at least 8, got 4"):
        draw(np.zeros((1, 60)), 4)
