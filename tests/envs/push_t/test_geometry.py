"""Distances and areas of the block, known by hand."""

import math

import numpy as np
import pytest

from gbplan.envs.push_t.geometry import AREA, HIGH, LOW, beyond_walls, coverage, on_board, overlap

UPRIGHT = (200.0, 300.0, 1.0, 0.0)
QUARTER = (200.0, 300.0, 0.0, 1.0)  # turned from +x to +y, so that the stem points to -x


def test_block_lies_where_its_pose_says():
    assert on_board(UPRIGHT, [(0.0, 0.0), (0.0, 120.0)]) == [(200.0, 300.0), (200.0, 420.0)]
    assert on_board(QUARTER, [(0.0, 0.0), (0.0, 120.0)]) == [(200.0, 300.0), (80.0, 300.0)]


@pytest.mark.parametrize(
    ("agent", "depth"),
    [
        ((200.0, 280.0), -5.0),  # above the bar
        ((200.0, 290.0), 5.0),
        ((200.0, 315.0), 30.0),  # in the middle of the bar
        ((200.0, 330.0), 30.0),  # where bar and stem meet there is no edge
        ((230.0, 400.0), 0.0),  # beside the stem
        ((263.0, 296.0), 10.0),  # 3 and 4 from a corner
    ],
)
def test_overlap_is_measured_to_the_nearest_edge(agent, depth):
    assert overlap(*agent, UPRIGHT) == pytest.approx(depth)


def test_furthest_corner_counts_at_walls():
    assert beyond_walls((LOW + 60.0, 200.0, 1.0, 0.0)) == pytest.approx(0.0)
    assert beyond_walls((LOW + 50.0, 200.0, 1.0, 0.0)) == pytest.approx(10.0)
    assert beyond_walls((200.0, HIGH - 123.0, 1.0, 0.0)) == pytest.approx(-3.0)
    assert beyond_walls((LOW + 119.0, 200.0, 0.0, 1.0)) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("pose", "covered"),
    [
        (UPRIGHT, AREA),
        ((230.0, 300.0, 1.0, 0.0), 90 * 30),  # the bars' common part; the stems are 30 wide
        ((215.0, 300.0, 1.0, 0.0), 105 * 30 + 15 * 90),
        ((200.0, 390.0, 1.0, 0.0), 30 * 30),  # the other's stem ends in this one's bar
        ((200.0, 330.0, -1.0, 0.0), 120 * 30),  # upside down, bar on bar
        ((200.0, 600.0, 1.0, 0.0), 0.0),
    ],
)
def test_coverage_is_the_share_of_the_goal_that_is_covered(pose, covered):
    assert coverage(pose, UPRIGHT) == pytest.approx(covered / AREA)
    assert coverage(UPRIGHT, pose) == pytest.approx(covered / AREA)


def test_coverage_agrees_with_counting_points():
    rng = np.random.default_rng(0)
    u, v = (grid.ravel() for grid in np.meshgrid(np.arange(-59.5, 60), np.arange(0.5, 120)))
    inside = (v < 30) | (np.abs(u) < 15)
    points = np.stack([u[inside], v[inside]], axis=1)
    for _ in range(20):
        angle, turn = rng.uniform(-math.pi, math.pi, 2)
        goal = (250.0, 250.0, math.cos(angle), math.sin(angle))
        pose = (*(250.0 + rng.uniform(-60, 60, 2)), math.cos(turn), math.sin(turn))
        x, y = np.array(on_board(goal, points)).T - np.array(pose[:2])[:, None]
        u, v = pose[2] * x + pose[3] * y, pose[2] * y - pose[3] * x
        hit = (np.abs(u) <= 60) & (v >= 0) & ((v <= 30) | (v <= 120) & (np.abs(u) <= 15))
        assert coverage(pose, goal) == pytest.approx(hit.mean(), abs=0.01)
