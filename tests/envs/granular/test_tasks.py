import numpy as np
import pytest

from gbplan.envs.granular.physics import Physics
from gbplan.envs.granular.states import check_discs
from gbplan.envs.granular.tasks import GranularTasks
from gbplan.envs.granular.world import World
from gbplan.envs.shapes import chamfer


@pytest.mark.parametrize("kind", ["segment", "shape"])
def test_drawn_tasks_are_a_function_of_the_key_do_not_begin_near_the_goal_and_can_be_set(kind):
    tasks = GranularTasks(World(task=kind), Physics(0.5, 0.0))
    one, other = (tasks.draw(key, None, None) for key in (1, 2))
    assert (one.state != other.state).any()
    for task in (one, other):
        assert chamfer(task.state, task.goal) >= 0.02
        assert (task.actions is None) == (kind == "shape")
        np.testing.assert_array_equal(check_discs("state", task.state)[0], task.state)
        np.testing.assert_array_equal(check_discs("goal", task.goal)[0], task.goal)
    given, again = (tasks.draw(3, one.state, None) for _ in range(2))
    np.testing.assert_array_equal(given.state, one.state)
    np.testing.assert_array_equal(given.goal, again.goal)
    given = tasks.draw(3, None, one.goal)
    assert chamfer(given.state, one.goal) >= 0.02


def test_wide_threshold_asks_for_far_goals():
    task = GranularTasks(World(task="shape", goal_threshold=0.06), Physics(0.5, 0.0)).draw(0, None, None)
    assert chamfer(task.state, task.goal) >= 0.06
