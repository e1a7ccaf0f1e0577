import numpy as np
import pytest

from gbplan.envs.granular.physics import BAR_RADIUS, HALF_LENGTH, Physics
from gbplan.envs.granular.states import DISC_RADIUS, FIELD, OVERLAP, check_discs
from gbplan.envs.shapes import rounded

ROW = np.stack([0.03 * np.arange(30), np.zeros(30)], axis=1)  # along x, each disc beside the next


def scattered(*places):
    """Return a state with these discs, and the others far away."""
    far = np.stack([1.0 + 0.05 * np.arange(10)[:, None] * np.ones(3), 0.05 * np.arange(3) * np.ones((10, 1))], axis=-1)
    return rounded(np.concatenate([np.array(places), far.reshape(30, 2)[len(places) :]]).ravel())


def push(state, begin, end, friction=0.0, damping=0.0):
    action = np.array([*begin, *end]) / 0.4
    after, touched = Physics(friction, damping).push(state, action)
    return after.reshape(30, 2), touched


def test_disc_before_the_bar_ends_where_the_bar_ends_and_others_stay():
    state = scattered([0.0, 0.0], [0.0, HALF_LENGTH + BAR_RADIUS + DISC_RADIUS + 0.002])
    after, touched = push(state, [-0.1, 0.0], [0.1, 0.0])
    assert touched
    assert after[0] == pytest.approx([0.1 + BAR_RADIUS + DISC_RADIUS, 0.0], abs=2e-3)  # or by a simulation step more
    np.testing.assert_array_equal(after[1:], state.reshape(30, 2)[1:])


def test_pushes_turn_with_the_discs():
    state = scattered([0.0, 0.0], [0.035, 0.02])
    along, _ = push(state, [-0.1, 0.01], [0.1, 0.01], friction=0.5)
    turned = np.concatenate([[[0.0, 0.0], [-0.02, 0.035]], state.reshape(30, 2)[2:]])
    across, _ = push(rounded(turned.ravel()), [-0.01, -0.1], [-0.01, 0.1], friction=0.5)
    np.testing.assert_allclose(across[:2], along[:2] @ np.array([[0.0, 1.0], [-1.0, 0.0]]), atol=1e-5)


def test_push_that_misses_or_has_no_length_changes_nothing():
    state = scattered([0.0, 0.0])
    for begin, end in (([-0.1, 0.1], [0.1, 0.1]), ([0.0, 0.0], [0.0, 0.0])):
        after, touched = push(state, begin, end)
        assert not touched
        np.testing.assert_array_equal(after.ravel(), state)


def test_push_that_begins_on_discs_begins_behind_them():
    after, touched = push(scattered([0.0, 0.0], [-0.03, 0.0]), [0.0, 0.0], [0.1, 0.0])
    assert touched
    assert after[:2, 0] == pytest.approx([0.15, 0.12], abs=2e-3)


def test_long_row_is_pushed_without_overlap_and_stays_on_the_table():
    after, _ = push(rounded(ROW.ravel()), [-0.05, 0.0], [0.4, 0.0])
    assert 1.2 < after[:, 0].max() < FIELD
    check_discs("state", after.ravel())  # as observed, it can be set again
    distance = np.linalg.norm(after[1:] - after[:-1], axis=1)
    assert distance.min() > 2 * DISC_RADIUS - OVERLAP / 5


def test_discs_slide_on_with_damping_and_turn_aside_with_friction():
    state = scattered([0.0, 0.0])
    after, _ = push(state, [-0.1, 0.0], [0.1, 0.0], damping=0.01)
    assert after[0, 0] == pytest.approx(0.12 + 0.3 / -np.log(0.01), abs=5e-3)  # v / -ln(damping)
    pair = scattered([0.0, 0.0], [0.028, 0.015])
    smooth, rough = (push(pair, [-0.1, 0.0], [0.2, 0.0], friction)[0] for friction in (0.0, 2.0))
    assert np.abs(smooth - rough).max() > 1e-3


def test_same_push_gives_the_same_bits_whatever_came_before():
    state, action = rounded(ROW.ravel() * 1.1), np.array([0.1, -0.2, 0.1, 0.2])
    physics = Physics(0.5, 0.0)
    first, _ = physics.push(state, action)
    physics.push(first, -action)
    np.testing.assert_array_equal(physics.push(state, action)[0], first)
    np.testing.assert_array_equal(Physics(0.5, 0.0).push(state, action)[0], first)
