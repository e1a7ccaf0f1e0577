import numpy as np

from gbplan.envs.rope import states
from gbplan.envs.rope.physics import CLEAR, Physics
from gbplan.envs.shapes import chamfer, rounded

STRAIGHT = np.stack([0.02 * np.arange(-10, 11), np.zeros(21)], axis=1)
FLAT = rounded(states.lying(STRAIGHT, states.PARKED))


def test_straight_rope_stays_where_it_lies():
    physics = Physics()
    settled = physics.settled(FLAT)
    np.testing.assert_allclose(physics.nodes(settled[None])[0], STRAIGHT, atol=1e-4)
    assert np.abs(settled[85:]).max() < 0.01


def test_length_is_kept_in_many_pushes_and_the_rope_comes_nearly_to_rest():
    physics, state, rng = Physics(), FLAT, np.random.default_rng(0)
    for _ in range(8):
        nodes = physics.nodes(state[None])[0]
        node, turn = nodes[rng.integers(21)], rng.uniform(-np.pi, np.pi)
        way = 0.1 * np.array([np.cos(turn), np.sin(turn)])
        state, _ = physics.push(state, np.clip(np.concatenate([node - way, node + way]) / 0.4, -1, 1))
        nodes = physics.nodes(state[None])[0]
        np.testing.assert_allclose(np.linalg.norm(np.diff(nodes, axis=0), axis=1), 0.02, atol=5e-4)
        assert (state[states.TIP] == np.float32(states.PARKED)).all()
        later = physics.settled(state)
        assert chamfer(physics.nodes(later[None]).ravel(), nodes.ravel()) < 0.01


def test_same_push_gives_the_same_bits_whatever_came_before():
    push = np.array([0.1, -0.2, 0.0, 0.3])
    one, other = Physics(), Physics()
    other.push(FLAT, -push)
    other.small(FLAT, push[:2])
    np.testing.assert_array_equal(one.push(FLAT, push)[0], other.push(FLAT, push)[0])


def test_tip_does_not_go_through_the_rope_in_small_steps():
    physics = Physics()
    state = FLAT.copy()
    state[states.TIP] = 0.0, -2 * CLEAR
    for _ in range(6):
        state, touched = physics.small(state, np.array([0.0, 1.0]))
        assert states.gap(physics.nodes(state[None])[0], state[states.TIP]) > states.TOUCHING
    assert touched


def test_a_push_asked_for_again_is_the_same_and_nobody_elses_array():
    push = np.array([0.0, -0.1, 0.0, 0.1])
    first, touched = Physics().push(FLAT, push)
    kept = first.copy()
    first[:] = 0.0
    again = Physics().push(FLAT, push)
    np.testing.assert_array_equal(again[0], kept)
    assert again[1] == touched
