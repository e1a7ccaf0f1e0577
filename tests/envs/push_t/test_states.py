"""Reading of given states and goals, and errors for impossible ones."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gbplan.envs.push_t.states import at_rest, check_goals, check_states, errors

SHORT = [100.0, 120.0, 250.0, 260.0, 0.7]


def check_state(state):
    return check_states(state)[0]


def check_goal(goal, success):
    return check_goals(goal, success)[0]


def test_state_may_be_given_with_its_angle():
    full = at_rest(*SHORT)
    assert check_state(SHORT) == full
    assert check_state([*SHORT, 30.0, -40.0]) == [*full[:6], 30.0, -40.0, 0.0, 0.0, 0.0]
    assert check_state(full) == full
    assert check_goal(SHORT, "both") == full[:6] == check_goal(full[:6], "both")
    assert check_goal(SHORT[2:], "block") == full[2:6] == check_goal(full[2:6], "block")


@given(angle=st.floats(-10, 10))
@settings(max_examples=50, deadline=None)
def test_observed_angle_stays_what_it_is(angle):
    state = at_rest(100, 120, 250, 260, angle)
    assert check_state(np.float32(state)) == state


def test_cosine_and_sine_that_are_nearly_an_angle_become_one():
    state = at_rest(*SHORT)
    state[4:6] = 1.005 * state[4], 1.005 * state[5]
    assert math.hypot(*check_state(state)[4:6]) == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ([1.0, 2.0], r"must be finite numbers of shape \(11,\) or \(7,\) or \(5,\), got shape \(2,\)"),
        ([SHORT], r"got shape \(1, 5\)"),
        (["a"] * 5, r"must be finite numbers of shape"),
        ([math.nan, *SHORT[1:]], r"options\['state'\] is \[nan, .*\]; give finite numbers"),
        ([*SHORT[:4], math.inf], "give finite numbers"),
        ([1e300, *SHORT[1:]], "keep the agent on the table"),
        ([10.0, *SHORT[1:]], r"is \[10.0, .*; keep the agent on the table, its x and y within 22..489"),
        ([100.0, 120.0, 20.0, 260.0, 0.0], r"keep the block's corners on the table, within 7..504, or 6 px beyond"),
        ([250.0, 275.0, 250.0, 260.0, 0.0], "move the agent's middle out of the block"),
        ([*SHORT, 501.0, 0.0], "keep the agent's speed within 500 px/s per axis"),
        ([*at_rest(*SHORT)[:10], 51.0], "the block's 2000 px/s and 50 rad/s"),
        ([*SHORT[:4], 0.5, 0.5, 0, 0, 0, 0, 0], "numbers 4 and 5 are cosine and sine of the block's angle"),
    ],
)
def test_impossible_state_is_refused_with_the_remedy(state, message):
    with pytest.raises(ValueError, match=message) as raised:
        check_state(state)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("goal", "success", "message"),
    [
        (SHORT, "block", r"options\['goal'\] must be finite numbers of shape \(4,\) or \(3,\), got shape \(5,\)"),
        (SHORT[2:], "both", r"shape \(6,\) or \(5,\), got shape \(3,\)"),
        ([600.0, *SHORT[1:]], "both", "keep the agent on the table"),
        ([250.0, 600.0, 0.0], "block", "keep the block's corners on the table"),
        ([250.0, 300.0, 250.0, 260.0, 0.0], "both", "agent's middle out of the block"),
        ([math.nan] * 3, "block", "give finite numbers"),
        ("goal", "both", "must be finite numbers"),
    ],
)
def test_goal_that_no_state_reaches_is_refused(goal, success, message):
    with pytest.raises(ValueError, match=message):
        check_goal(goal, success)


def test_errors_are_of_positions_together_and_of_the_angle():
    one, other = at_rest(100, 100, 200, 200, 3.0)[:6], at_rest(103, 100, 200, 204, -3.0)[:6]
    distance, angle = errors(one, other)
    assert distance == pytest.approx(5.0)
    assert angle == pytest.approx(2 * math.pi - 6.0, abs=1e-6)
    assert errors(one[2:], other[2:])[0] == pytest.approx(4.0)
    together = errors([one, other], other)
    assert together[0][0] == distance
    assert together[1].tolist() == [angle, 0.0]
