import pickle

import gymnasium as gym
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gbplan.envs.point_maze.maze import LAYOUTS, maze_of
from gbplan.envs.point_maze.physics import Physics

MASS = 4 / 3 * np.pi * 0.1**3 * 1000


def states_in(name, count, rng):
    """Everywhere in the free cells, also where the ball overlaps walls, at all speeds, as float32 numbers."""
    maze = maze_of(name)
    positions = maze.centers[rng.choice(maze.free, count)] + rng.uniform(-0.49, 0.49, (count, 2))
    states = np.concatenate([positions, rng.uniform(-5, 5, (count, 2))], axis=1)
    return states.astype(np.float32).astype(np.float64)


def test_free_ball_is_accelerated_and_damped():
    states, touched = Physics("umaze", 1).step(np.array([[-1.0, 1.0, 0.5, 0.0]]), np.array([[1.0, -0.5]]))
    # Damping is implicit: m (v' - v) / dt = 100 a - v'.
    speed = (MASS * np.array([0.5, 0.0]) + 0.01 * np.array([100.0, -50.0])) / (MASS + 0.01)
    np.testing.assert_allclose(states[0], [*(np.array([-1.0, 1.0]) + 0.01 * speed), *speed], rtol=1e-6)
    assert not touched[0]


@pytest.mark.parametrize(("name", "theirs"), [("umaze", "UMaze"), ("medium", "Medium"), ("large", "Large")])
@pytest.mark.parametrize("frame_skip", [1, 5])
def test_each_step_is_that_of_gymnasium_robotics(name, theirs, frame_skip):
    gym.register_envs(pytest.importorskip("gymnasium_robotics"))
    other = gym.make(f"PointMaze_{theirs}-v3").unwrapped.point_env
    other.reset(seed=0)
    other.frame_skip = frame_skip
    rng, physics = np.random.default_rng(0), Physics(name, frame_skip)
    states, actions = states_in(name, 120, rng), rng.uniform(-1, 1, (120, 2))
    ends, touched = physics.step(states, actions)
    for state, action, end in zip(states, actions, ends, strict=True):
        other.set_state(state[:2], state[2:])
        expected, *_ = other.step(action)
        np.testing.assert_allclose(end, np.append(expected[:2], np.clip(expected[2:], -5, 5)), atol=1e-4)
    assert 10 < touched.sum() < 110


@given(name=st.sampled_from(list(LAYOUTS)), frame_skip=st.sampled_from([1, 5, 10]), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=15, deadline=None)
def test_steps_are_a_function_of_state_and_action_whatever_came_before(name, frame_skip, seed):
    rng = np.random.default_rng(seed)
    physics, rows = Physics(name, frame_skip), 16
    states, actions = states_in(name, rows, rng), rng.uniform(-1, 1, (3, rows, 2))

    def run(states, physics=physics):
        seen = []
        for action in actions:
            states, touched = physics.step(states, action[: len(states)])
            seen.append(np.column_stack([states, touched]))
        return np.array(seen)

    first = run(states)
    for _ in range(3):
        physics.step(states_in(name, 5, rng), rng.uniform(-1, 1, (5, 2)))
    np.testing.assert_array_equal(run(states), first)
    np.testing.assert_array_equal(run(states[:1]), first[:, :1])  # alone as among others
    np.testing.assert_array_equal(run(states, pickle.loads(pickle.dumps(physics))), first)
    middle = first[0, :, :4]  # as observed after the first step
    np.testing.assert_array_equal(middle.astype(np.float32), middle)
    np.testing.assert_array_equal(physics.step(middle, actions[1])[0], first[1, :, :4])


def test_no_force_drives_the_ball_into_a_wall_or_beyond_its_speed():
    rng, physics, maze = np.random.default_rng(0), Physics("large", 5), maze_of("large")
    states = states_in("large", 128, rng)
    for step in range(32):
        if step % 8 == 0:
            actions = rng.choice([-1.0, 1.0], (128, 2))
        states, _ = physics.step(states, actions)
        assert maze.clearance(states[:, :2]).min() > 0.02
        assert np.abs(states[:, 2:]).max() <= 5


def test_touching_a_wall_is_noticed_also_within_a_step():
    physics = Physics("umaze", 5)
    states = np.array([[-1, 1, 0, 0], [-1.4, 1, 0, 0], [-1.35, 1, -5, 0.0]])  # away, pressed, about to bounce
    ends, touched = physics.step(states, np.array([[0, 0], [-1, 0], [0, 0.0]]))
    assert touched.tolist() == [False, True, True]
    assert ends[2, 2] > 0  # on its way back
    assert ends[1, 0] == pytest.approx(-1.4, abs=0.002)
