import numpy as np
import pytest

from gbplan.envs.fetch_push import states
from gbplan.envs.fetch_push.physics import Physics


@pytest.fixture(scope="module")
def start():
    return Physics().start


def changed(state, **numbers):
    state = state.copy()
    for name, value in numbers.items():
        state[int(name[1:])] = value
    return state


def test_observed_states_are_returned_as_they_are(start):
    np.testing.assert_array_equal(states.check_states(start, start)[0], start)
    fallen = changed(start, n15=1.6, n16=0.7, n17=0.03)
    np.testing.assert_array_equal(states.check_states(fallen, start)[0], states.rounded(fallen))


def test_quaternion_is_made_a_unit(start):
    state = changed(start, n18=0.995)
    assert states.check_states(state, start)[0][18] == 1.0


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ([0.5, 0.6], r"options\['state'\] is \[0.5, 0.6\]; keep the cube on the table, x within 1.075..1.525 and y"),
        ([1.3, 1.09], "keep the cube on the table"),
        ([np.inf, 0.6], "give finite numbers"),
        ([1.3, 0.6, 0.4], r"shape \(43,\) or \(2,\), got shape \(3,\)"),
        ({"n17": 0.3}, "lift the cube out of the table, to z = 0.4247"),
        ({"n18": 0.0}, "numbers 18 to 21 are a unit quaternion"),
        ({"n15": 30.0}, "keep every number within env.observation_space"),
        ({"n15": 1e300}, "keep every number within env.observation_space"),
        ({"n30": 400.0}, "keep every number within env.observation_space"),
        ({"n3": np.nan}, "give finite numbers"),
    ],
)
def test_wrong_states_are_refused(state, message, start):
    given = changed(start, **state) if isinstance(state, dict) else state
    with pytest.raises(ValueError, match=message):
        states.check_states(given, start)


def test_row_that_is_wrong_is_named(start):
    given = np.stack([start, changed(start, n17=0.2), start])
    with pytest.raises(ValueError, match="in row 1; lift the cube"):
        states.check_states(given, start, np.ones(3, np.bool_))
    np.testing.assert_array_equal(
        states.check_states(given, start, np.array([True, False, True])), np.stack([start, start])
    )


@pytest.mark.parametrize(
    ("goal", "message"),
    [
        ([1.0, 0.75], r"options\['goal'\] is \[1.0, 0.75\]; keep the cube on the table"),
        ([1.3, 0.75, 0.6], "z within 0.025 of 0.4247"),
        ([1.3, 0.75, np.nan], "give finite numbers"),
        ([1.3], r"shape \(3,\) or \(2,\), got shape \(1,\)"),
    ],
)
def test_goals_that_no_push_reaches_are_refused(goal, message):
    with pytest.raises(ValueError, match=message):
        states.check_goals(goal)


def test_goals_of_two_numbers_lie_on_the_table():
    np.testing.assert_array_equal(states.check_goals([1.25, 0.75]), [[1.25, 0.75, states.LYING]])
