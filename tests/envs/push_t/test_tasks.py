"""Tasks drawn at random: possible, not solved, and functions of their key."""

import numpy as np
import pytest

from gbplan.envs.push_t import geometry, states
from gbplan.envs.push_t.physics import Physics
from gbplan.envs.push_t.tasks import draw_task, drawn_task
from gbplan.envs.push_t.world import World

START = tuple(states.at_rest(200, 100, 200, 130, 0.0))


@pytest.mark.parametrize("world", [{}, {"segment_steps": 50, "success": "block"}, {"friction": 0.5, "damping": 0.5}])
def test_segment_leads_from_start_to_goal_and_moves_the_block(world):
    world = World(**world)
    physics = Physics(world.friction, world.damping)
    for key in range(5):
        task = drawn_task(world, key)
        assert task.actions.shape == (world.segment_steps, 2)
        state = list(task.state)
        for action in task.actions.tolist():
            state, _ = physics.step(state, *action)
        assert tuple(state[states.goal_part(world.success)]) == task.goal
        distance, angle = states.errors(task.state[states.BLOCK], task.goal[-4:])
        assert distance > 20 or angle > np.pi / 9


@pytest.mark.parametrize("success", ["both", "block"])
def test_poses_are_clear_of_walls_and_of_each_other_and_go_every_way(success):
    world = World(task="pose", success=success)
    tasks = [drawn_task(world, key) for key in range(300)]
    for task in tasks:
        assert geometry.beyond_walls(task.goal[-4:]) < -0.9
        assert geometry.overlap(*task.state[:2], task.state[states.BLOCK]) < -0.9
        assert not any(task.state[6:])
        assert task.actions is None
    goals, starts = np.array([task.goal[-2:] for task in tasks]), np.array([task.state[4:6] for task in tasks])
    for angle in (goals, starts):  # uniform on the circle, but for those at walls
        assert np.abs(angle.mean(axis=0)).max() < 0.25


def test_task_is_a_function_of_its_key():
    world = World()
    first = drawn_task(world, 7)
    drawn_task.cache_clear()
    again = drawn_task(world, 7)
    assert (first.state, first.goal) == (again.state, again.goal)
    np.testing.assert_array_equal(first.actions, again.actions)
    assert drawn_task(world, 8).state != first.state


def test_given_parts_are_kept():
    goal = (300.0, 300.0, 250.0, 100.0, 1.0, 0.0)
    assert draw_task(World(), 0, START, goal) == (START, goal, None)
    for task in ("segment", "pose"):
        assert draw_task(World(task=task), 0, START, None).state == START
        assert draw_task(World(task=task), 0, None, goal).goal == goal
    onward = draw_task(World(), 0, START, None)
    state = list(START)
    for action in onward.actions.tolist():
        state, _ = Physics(0.0, 0.0).step(state, *action)
    assert tuple(state[:6]) == onward.goal


def test_state_from_which_nothing_can_be_pushed_is_refused():
    far = tuple(states.at_rest(30, 30, 380, 350, 0.0))
    with pytest.raises(ValueError, match="found no push of 5 steps that moves the block from the given state"):
        draw_task(World(segment_steps=5), 0, far, None)
