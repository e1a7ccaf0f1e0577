import numpy as np
import pytest

from gbplan.envs.rope import states
from gbplan.envs.rope.physics import CLEAR, Physics
from gbplan.envs.rope.tasks import MOVED, draw_start, draw_task, shape_of
from gbplan.envs.rope.world import World


@pytest.fixture(scope="module")
def physics():
    return Physics()


def test_drawn_starts_lie_flat_in_reach_and_beside_the_tip(physics):
    for action in ("push", "small"):
        for seed in range(6):
            state = draw_start(World(action=action), physics, np.random.default_rng(seed))
            nodes = physics.nodes(state[None])[0]
            assert np.abs(nodes).max() < states.REACH + 0.02
            assert (state == state.astype(np.float32)).all()
            assert states.gap(nodes, state[states.TIP]) > CLEAR - 1e-6


@pytest.mark.parametrize("kind", ["segment", "shape"])
def test_drawn_tasks_are_a_function_of_the_key_and_do_not_begin_near_the_goal(kind, physics):
    world = World(task=kind, segment_steps=1)
    one, other = (draw_task(world, physics, key, None, None) for key in (1, 2))
    assert (one.state != other.state).any()
    for task in (one, other):
        assert states.chamfer(shape_of(physics, task.state), task.goal) >= MOVED
        assert (task.actions is None) == (kind == "shape")
    given = draw_task(world, physics, 3, one.state, None)
    again = draw_task(world, physics, 3, one.state, None)
    np.testing.assert_array_equal(given.state, one.state)
    np.testing.assert_array_equal(given.goal, again.goal)


def test_wide_threshold_asks_for_far_goals(physics):
    task = draw_task(World(task="shape", goal_threshold=0.08), physics, 0, None, None)
    assert states.chamfer(shape_of(physics, task.state), task.goal) >= 0.08
