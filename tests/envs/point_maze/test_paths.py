import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gbplan.envs.point_maze.maze import LAYOUTS, maze_of
from gbplan.envs.point_maze.paths import GAP, paths_of


@pytest.mark.parametrize(
    ("name", "start", "goal", "length"),
    [
        ("umaze", [-1, 1], [1, 1], 2),
        ("umaze", [0.6, 1.2], [0.7, -1.3], np.hypot(0.1, 2.5)),  # in sight, past both corners of the wall
        ("umaze", [-1, 1], [1, 0], np.hypot(1.5, 0.5) + np.hypot(0.5, 0.5)),  # round one
        ("umaze", [-1, 1], [-1, -1], 2 * np.hypot(1.5, 0.5) + 1),  # round both
        # Between two blocks that touch at a corner there is no way: round one of them, by its three other corners.
        ("medium", [-1.5, -0.5], [-0.5, -1.5], 2 * np.hypot(0.5, 0.5) + 2),
    ],
)
def test_paths_are_straight_and_bend_at_corners(name, start, goal, length):
    assert paths_of(name).length(start, goal) == pytest.approx(length, abs=10 * GAP)


def test_nothing_leads_into_a_wall_or_outside():
    np.testing.assert_array_equal(paths_of("umaze").length([-1, 1], [[0, 0], [4, 0], [-2, 1]]), np.inf)


@given(name=st.sampled_from(list(LAYOUTS)), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_paths_are_a_metric_that_no_straight_line_undercuts(name, seed):
    maze, rng = maze_of(name), np.random.default_rng(seed)
    places = maze.centers[rng.choice(maze.free, 8)] + rng.uniform(-0.499, 0.499, (8, 2))
    lengths = paths_of(name).length(places[:, None], places)
    assert np.isfinite(lengths).all()
    np.testing.assert_allclose(lengths, lengths.T, atol=1e-12)
    straight = np.linalg.norm(places[:, None] - places, axis=-1)
    assert (lengths >= straight - 1e-12).all()
    assert (lengths == straight)[maze.sees(places[:, None], places)].all()
    assert (lengths <= (lengths[:, :, None] + lengths).min(axis=1) + 10 * GAP).all()
