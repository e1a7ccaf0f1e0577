import numpy as np
import pytest

from gbplan.envs.fetch_push.physics import Physics
from gbplan.envs.fetch_push.states import LYING, with_cube_at
from gbplan.envs.fetch_push.tasks import MIDDLE, draw_task
from gbplan.envs.fetch_push.world import World


@pytest.fixture(scope="module")
def start():
    return Physics().start


@pytest.mark.parametrize("kind", ["uniform", "far"])
def test_drawn_tasks_lie_where_gymnasium_robotics_has_them_and_do_not_begin_solved(kind, start):
    world = World(task=kind)
    for key in range(200):
        task = draw_task(world, start, key, None, None)
        cube, goal = task.state[15:18], task.goal
        assert np.abs(cube[:2] - MIDDLE).max() <= 0.1501
        assert np.linalg.norm(cube[:2] - MIDDLE) >= 0.0999
        assert np.abs(goal[:2] - MIDDLE).max() <= 0.1501
        assert cube[2] == goal[2] == LYING
        assert np.linalg.norm(cube - goal) >= (0.2 if kind == "far" else 0.05)
        assert (task.state == task.state.astype(np.float32)).all()


def test_what_is_given_is_kept_and_the_rest_is_a_function_of_the_key(start):
    state = with_cube_at(start, np.array([1.25, 0.75]))
    one, same, other = (draw_task(World(), start, key, state, None) for key in (1, 1, 2))
    np.testing.assert_array_equal(one.state, state)
    np.testing.assert_array_equal(one.goal, same.goal)
    assert (one.goal != other.goal).any()
    goal = np.array([1.25, 0.75, LYING])
    np.testing.assert_array_equal(draw_task(World(), start, 3, None, goal).goal, goal)
