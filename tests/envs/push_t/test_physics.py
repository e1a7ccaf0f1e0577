"""How agent and block move: by hand, beside gym-pusht's own code, and as a function of the state alone."""

import math
import pickle
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gbplan.envs.push_t import geometry, states
from gbplan.envs.push_t.physics import SQUEEZE, Physics
from gbplan.envs.push_t.pusher import Pusher
from gbplan.envs.push_t.tasks import draw_start

seeds = st.integers(0, 2**32 - 1)


def episode(physics, seed, steps, act=None):
    """States (T + 1, 11), actions (T, 2) and contacts (T,) of a pusher."""
    rng = np.random.default_rng(seed)
    path, actions, contacts = [draw_start(rng)], [], []
    act = act or Pusher(rng).act
    for _ in range(steps):
        actions.append(act(path[-1]).tolist())
        state, contact = physics.step(path[-1], *actions[-1])
        path.append(state)
        contacts.append(contact)
    return np.array(path), np.array(actions), np.array(contacts)


def rammer(seed):
    """Pushes straight at the block with full force, and so against the walls in the end."""
    rng = np.random.default_rng(seed)
    off = rng.uniform(-50, 50, 2)

    def act(state):
        if rng.random() < 0.05:
            off[:] = rng.uniform(-50, 50, 2)
        return np.clip((np.array(state[2:4]) + off - state[:2]) / 10, -1, 1)

    return act


def test_agent_follows_its_controller_and_the_block_stays_where_nobody_pushes():
    state = states.at_rest(100, 100, 350, 300, 0.5)
    moved, contact = Physics(0.0, 0.0).step(state, 0.5, -0.2)
    x, v = 0.0, 0.0
    for _ in range(10):
        v += (100 * (1.0 - x) - 20 * v) * 0.01
        x += v * 0.01
    assert moved[:2] == pytest.approx([100 + 50 * x, 100 - 20 * x], abs=1e-4)
    assert moved[6:8] == pytest.approx([50 * v, -20 * v], abs=1e-4)
    assert moved[2:6] == state[2:6]
    assert not contact


def test_block_is_pushed_ahead_of_the_agent():
    physics, state = Physics(0.0, 0.0), states.at_rest(200, 114, 200, 130, 0.0)
    for _ in range(5):
        state, contact = physics.step(state, 0.0, 0.2)
        assert contact
    x, y, block_x, block_y, cos, sin = state[:6]
    assert y > 140
    assert block_y == pytest.approx(y + 15, abs=2.0)
    assert [x, block_x, cos, sin] == pytest.approx([200, 200, 1, 0], abs=1e-3)


def test_damping_is_the_share_of_velocity_left_after_a_second():
    state = states.at_rest(50, 50, 200, 300, 0.0)
    state[8] = 30.0
    physics, velocity = Physics(0.0, 0.5), []
    for _ in range(10):
        state, _ = physics.step(state, 0.0, 0.0)
        velocity.append(state[8])
    assert velocity[4] == pytest.approx(30 * 0.5**0.5, rel=1e-4)
    assert velocity[-1] == pytest.approx(15.0, rel=1e-4)
    assert state[2] == pytest.approx(200 + 15 / math.log(2), abs=0.5)


def test_friction_drags_the_block_along():
    moved = []
    for friction in (0.0, 1.0):
        physics, state = Physics(friction, 0.0), states.at_rest(200, 116, 200, 130, 0.0)
        for _ in range(4):
            state, _ = physics.step(state, 0.1, 0.05)  # along the bar, and against it
        moved.append(abs(state[2] - 200))
    assert moved[1] > moved[0] + 3.0


@given(seed=seeds, friction=st.sampled_from([0.0, 0.5]), damping=st.sampled_from([0.0, 0.7]))
@settings(max_examples=8, deadline=None)
def test_next_state_is_a_function_of_state_and_action_whatever_came_before(seed, friction, damping):
    physics = Physics(friction, damping)
    path, actions, _ = episode(physics, seed, 30, rammer(seed) if seed % 2 else None)
    other = pickle.loads(pickle.dumps(physics))
    for step in np.random.default_rng(seed).permutation(30):  # in another order, with another past
        again, _ = other.step(path[step].tolist(), *actions[step].tolist())
        np.testing.assert_array_equal(again, path[step + 1])


def test_agent_alone_moves_as_it_does_in_the_simulation(monkeypatch):
    path, actions, contacts = episode(Physics(0.0, 0.0), 1, 60)
    simulated = Physics(0.0, 0.0)
    monkeypatch.setattr(simulated, "_move_agent", lambda state, target: None)
    for step in range(60):
        again, contact = simulated.step(path[step].tolist(), *actions[step].tolist())
        np.testing.assert_array_equal(again, path[step + 1])
        assert contact == contacts[step]
    assert 0.1 < contacts.mean() < 0.9


@given(seed=seeds, friction=st.sampled_from([0.0, 1.0]), damping=st.sampled_from([0.0, 0.9]))
@settings(max_examples=8, deadline=None)
def test_nothing_is_pushed_through_anything(seed, friction, damping):
    path, _, _ = episode(Physics(friction, damping), seed, 60, rammer(seed))
    assert (path >= states.LOW).all()
    assert (path <= states.HIGH).all()
    for state in path.tolist():
        assert geometry.beyond_walls(state[states.BLOCK]) < SQUEEZE + 1e-3
        assert geometry.overlap(*state[:2], state[states.BLOCK]) < geometry.AGENT_RADIUS
        assert states.check_states(state) == [state]


def test_overlapping_bodies_are_pushed_apart():
    state = states.at_rest(200, 120, 200, 130, 0.0)
    assert geometry.overlap(*state[:2], state[states.BLOCK]) == 5.0
    physics, depths = Physics(0.0, 0.0), []
    for _ in range(10):
        state, _ = physics.step(state, 0.0, 0.0)
        depths.append(geometry.overlap(*state[:2], state[states.BLOCK]))
    assert (np.diff(depths) < 0).all()
    assert depths[-1] < 0.5


class Field:
    """gym-pusht's simulation, put into our states."""

    def __init__(self):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.env = pytest.importorskip("gym_pusht.envs.pusht", exc_type=ImportError).PushTEnv()
        self.env.reset(seed=0)

    def put(self, state):
        self.env._setup()
        x, y, block_x, block_y, cos, sin, vx, vy, block_vx, block_vy, spin = state
        agent, block = self.env.agent, self.env.block
        agent.position, agent.velocity = (x, y), (vx, vy)
        block.angle = math.atan2(sin, cos)
        block.position, block.velocity, block.angular_velocity = (block_x, block_y), (block_vx, block_vy), spin
        self.env.space.reindex_shapes_for_body(agent)
        self.env.space.reindex_shapes_for_body(block)

    def step(self, target):
        *_, info = self.env.step(np.asarray(target, np.float64))
        agent, block = self.env.agent, self.env.block
        pose = [*agent.position, *block.position, math.cos(block.angle), math.sin(block.angle)]
        return [*pose, *agent.velocity, *block.velocity, block.angular_velocity], info["coverage"]


def in_the_open(path):
    """Whether the block stayed clear of walls, and the agent of their reach."""
    return all(
        geometry.beyond_walls(state[states.BLOCK]) < -5 and min(state[:2]) > 30 and max(state[:2]) < 480
        for state in path.tolist()
    )


def test_a_step_is_the_fields_step_to_the_last_digit_of_float32():
    field, physics, touched, worst = Field(), Physics(0.0, 0.0), 0, 0.0
    goal = (256.0, 256.0, math.cos(math.pi / 4), math.sin(math.pi / 4))
    for seed in range(6):
        path, actions, contacts = episode(physics, seed, 40)
        for step in range(40):
            if in_the_open(path[step : step + 2]):
                state = path[step].tolist()
                field.put(state)
                after, covered = field.step(state[:2] + 100 * actions[step])
                np.testing.assert_allclose(path[step + 1], after, atol=5e-5)
                worst = max(worst, abs(covered - geometry.coverage(path[step + 1][states.BLOCK], goal)))
                touched += contacts[step]
    assert touched > 50
    assert worst < 1e-5


def test_an_episode_is_the_fields_to_a_pixel_though_contacts_are_forgotten():
    field, physics, compared = Field(), Physics(0.0, 0.0), 0
    for seed in range(12):
        path, actions, contacts = episode(physics, seed, 25)
        if in_the_open(path) and contacts.any():
            compared += 1
            field.put(path[0].tolist())
            for step in range(25):
                after, _ = field.step(path[step][:2] + 100 * actions[step])
            np.testing.assert_allclose(path[-1][2:4], after[2:4], atol=1.0)
            np.testing.assert_allclose(path[-1][4:6], after[4:6], atol=0.02)
    assert compared >= 5
