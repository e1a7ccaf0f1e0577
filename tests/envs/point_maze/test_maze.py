import numpy as np
import pytest

from gbplan.envs.point_maze.maze import LAYOUTS, Maze, all_pairs, maze_of


def test_mazes_are_those_of_gymnasium_robotics():
    maps = pytest.importorskip("gymnasium_robotics.envs.maze.maps")
    theirs = {"umaze": maps.U_MAZE, "medium": maps.MEDIUM_MAZE, "large": maps.LARGE_MAZE}
    assert {name: [["#" if cell == 1 else "." for cell in row] for row in rows] for name, rows in theirs.items()} == {
        name: [list(row) for row in rows] for name, rows in LAYOUTS.items()
    }


@pytest.mark.parametrize("name", LAYOUTS)
def test_cells_are_found_by_their_centers_and_the_border_is_wall(name):
    maze = maze_of(name)
    np.testing.assert_array_equal(maze.cells(maze.centers), np.arange(len(maze.centers)))
    assert maze.wall[[0, -1]].all()
    assert maze.wall[:, [0, -1]].all()
    np.testing.assert_array_equal(maze.centers.mean(axis=0), [0, 0])


def test_positions_lie_where_the_map_shows_them():
    maze = Maze(["####", "#..#", "####"])
    assert maze.centers[maze.cells([-0.5, 0.0])].tolist() == [-0.5, 0.0]
    assert maze.centers[maze.cells([[0.01, 0.49], [9.0, 9.0]])].tolist() == [[0.5, 0.0], [1.5, 1.0]]


def test_clearance_is_the_distance_to_the_nearest_wall_and_0_in_one_and_outside():
    umaze = maze_of("umaze")
    places = {(-1.0, 1.0): 0.5, (1.2, 0.0): 0.3, (0.8, 0.9): 0.5, (0.53, 0.54): 0.05, (0.0, 0.0): 0.0, (3.0, 0.0): 0.0}
    np.testing.assert_allclose(umaze.clearance(list(places)), list(places.values()), atol=1e-12)
    np.testing.assert_allclose(umaze.clearance([1.0, 0.0]), 0.5)


def test_straight_lines_see_past_walls_and_not_through_them():
    umaze = maze_of("umaze")
    assert umaze.sees([-1.2, 1.2], [1.2, 0.8])
    assert umaze.sees([0.6, 1.2], [1.2, -1.2])
    assert not umaze.sees([-1.0, 1.0], [-1.0, -1.0])
    assert not umaze.sees([0.0, 0.51], [1.0, -1.0])  # past the corner, through the wall
    assert umaze.sees([1.0, 1.0], [1.0, 1.0])
    assert not umaze.sees([0.0, 0.0], [0.0, 0.0])
    np.testing.assert_array_equal(umaze.sees([1.0, 0.0], [[1.0, 1.0], [-1.0, 1.0]]), [True, False])


def test_two_walls_that_meet_in_a_corner_leave_nothing_to_see_through():
    assert not maze_of("medium").sees([-1.5, -0.5], [-0.5, -1.5])


@pytest.mark.parametrize(("name", "sides"), [("umaze", 16), ("medium", 48), ("large", 88)])
def test_edges_stand_between_free_cells_and_walls(name, sides):
    maze = maze_of(name)
    edges = maze.edges()
    assert len(edges) == sides
    along = edges[:, 1] - edges[:, 0]
    np.testing.assert_array_equal(np.abs(along).sum(axis=1), 1.0)
    across = along[:, ::-1] / 4
    beside = [maze.clearance(edges.mean(axis=1) + way * across) > 0 for way in (-1, 1)]
    assert (beside[0] ^ beside[1]).all()


@pytest.mark.parametrize("name", LAYOUTS)
def test_steps_towards_a_goal_lead_there_by_the_fewest_free_cells(name):
    maze = maze_of(name)
    start, goal = (each.ravel() for each in np.meshgrid(maze.free, maze.free))
    beside = np.abs(maze.centers[:, None] - maze.centers).sum(axis=-1) == 1
    free = ~maze.wall.ravel()
    fewest = all_pairs(np.where(beside & free & free[:, None], 1.0, np.inf))[start, goal]
    at, taken = start, np.zeros(len(start))
    while (at != goal).any():
        then = maze.towards[at, goal]
        assert free[then].all()
        assert (beside[at, then] | (at == goal)).all()
        taken += at != goal
        at = then
        assert taken.max() < 50
    np.testing.assert_array_equal(taken, fewest)
