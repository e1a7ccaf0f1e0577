import numpy as np
import pytest

from gbplan.envs.point_maze.maze import LAYOUTS
from gbplan.envs.point_maze.tasks import check_goals, check_states, draw_task
from gbplan.envs.point_maze.world import World


def draw(count, state=None, goal=None, **world):
    tasks = [draw_task(World(**world), np.random.default_rng(seed), state, goal) for seed in range(count)]
    return tuple(np.array(part) for part in zip(*tasks, strict=True))


@pytest.mark.parametrize("maze", LAYOUTS)
def test_uniform_tasks_lie_away_from_walls_and_do_not_begin_solved(maze):
    states, goals = draw(500, maze=maze)
    geometry = World(maze=maze).geometry
    for positions in (states[:, :2], goals):
        assert geometry.clearance(positions).min() >= 0.2
        assert set(geometry.cells(positions)) == set(geometry.free)
    assert np.linalg.norm(states[:, :2] - goals, axis=1).min() >= 0.45
    np.testing.assert_array_equal(states, states.astype(np.float32))
    # Uniform: known deviation, to five standard errors.
    assert states[:, 2:].std() == pytest.approx(5 / 3**0.5, rel=5 * 0.45 / 1000**0.5)


@pytest.mark.parametrize("maze", LAYOUTS)
def test_start_and_goal_of_detours_do_not_see_each_other(maze):
    states, goals = draw(100, maze=maze, task="detour")
    assert not World(maze=maze).geometry.sees(states[:, :2], goals).any()


def test_starts_can_be_drawn_at_rest():
    states, _ = draw(5, start_speed=0.0)
    np.testing.assert_array_equal(states[:, 2:], 0)


def test_given_parts_are_kept_and_the_others_drawn_to_fit():
    states, goals = draw(20, state=np.array([-1.0, 1.0, 0.0, 0.0]), task="detour")
    np.testing.assert_array_equal(states, np.tile([-1.0, 1.0, 0.0, 0.0], (20, 1)))
    assert (goals[:, 1] < 0.5).all()
    _, goals = draw(20, goal=np.array([-1.0, -1.0]))
    np.testing.assert_array_equal(goals, np.tile([-1.0, -1.0], (20, 1)))


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ([0.0, 0.0], r"is \[0.0, 0.0\]; choose a place in a free cell of the maze"),
        ([9.0, 0.0, 0.0, 0.0], "choose a place in a free cell"),
        ([1e300, 0.0], "choose a place in a free cell"),
        ([-1.0, 1.0, 5.1, 0.0], r"keep \|vx\| and \|vy\| <= 5"),
        ([np.nan, 1.0], "give finite numbers"),
        ([-1.0, 1.0, 0.0], r"shape \(2,\) or \(4,\), got shape \(3,\)"),
        ("state", "must be finite numbers"),
    ],
)
def test_impossible_state_is_refused_with_the_remedy(state, message):
    with pytest.raises(ValueError, match=message):
        check_states(World(), state)


@pytest.mark.parametrize("goal", [[0.0, 0.0], [-0.5, -0.5], [4.0, 0.0], [np.nan, 0.0], [0.0], "goal", [0.0, 1e300]])
def test_goal_that_cannot_be_reached_is_refused(goal):
    with pytest.raises(ValueError, match=r"options\['goal'\]"):
        check_goals(World(), goal)


def test_message_names_the_row_and_rows_outside_the_mask_are_not_read():
    goals = np.array([[-1.0, 1.0], [0.0, 0.0], [1.0, 0.0]])
    with pytest.raises(ValueError, match="in row 1"):
        check_goals(World(), goals, np.ones(3, np.bool_))
    np.testing.assert_array_equal(check_goals(World(), goals, np.array([True, False, True])), goals[[0, 2]])


def test_two_numbers_mean_at_rest_and_any_place_in_a_free_cell_will_do():
    np.testing.assert_array_equal(check_states(World(), [-1.49, 1.49]), np.float32([[-1.49, 1.49, 0, 0]]))
    np.testing.assert_array_equal(check_states(World(), [1, 0, -5, 5.0000005]), [[1, 0, -5, 5]])
