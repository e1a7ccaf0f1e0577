import numpy as np
import pytest

from gbplan.envs.rope import states
from gbplan.envs.rope.physics import CLEAR, Physics
from gbplan.envs.rope.tasks import RopeTasks
from gbplan.envs.rope.world import World
from gbplan.envs.shapes import chamfer


@pytest.fixture(scope="module")
def physics():
    return Physics()


def test_drawn_starts_lie_flat_in_reach_and_beside_the_tip(physics):
    for action in ("push", "small"):
        for seed in range(6):
            state = RopeTasks(World(action=action), physics).start(np.random.default_rng(seed))
            nodes = physics.nodes(state[None])[0]
            assert np.abs(nodes).max() < states.REACH + 0.02
            assert (state == state.astype(np.float32)).all()
            assert states.gap(nodes, state[states.TIP]) > CLEAR - 1e-6


@pytest.mark.parametrize("kind", ["segment", "shape"])
def test_drawn_tasks_are_a_function_of_the_key_and_do_not_begin_near_the_goal(kind, physics):
    tasks = RopeTasks(World(task=kind, segment_steps=1), physics)
    one, other = (tasks.draw(key, None, None) for key in (1, 2))
    assert (one.state != other.state).any()
    for task in (one, other):
        assert chamfer(tasks.shape(task.state), task.goal) >= tasks.moved
        assert (task.actions is None) == (kind == "shape")
    given = tasks.draw(3, one.state, None)
    again = tasks.draw(3, one.state, None)
    np.testing.assert_array_equal(given.state, one.state)
    np.testing.assert_array_equal(given.goal, again.goal)


def test_wide_threshold_asks_for_far_goals(physics):
    tasks = RopeTasks(World(task="shape", goal_threshold=0.08), physics)
    task = tasks.draw(0, None, None)
    assert chamfer(tasks.shape(task.state), task.goal) >= 0.08
