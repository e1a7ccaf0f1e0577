import numpy as np
import pytest

from gbplan.envs.rope import states
from gbplan.envs.rope.physics import Physics
from gbplan.envs.shapes import rounded

STRAIGHT = np.stack([0.02 * np.arange(-10, 11), np.zeros(21)], axis=1)
FLAT = rounded(states.lying(STRAIGHT, states.PARKED))


def changed(values, **numbers):
    values = np.array(values, np.float64).ravel()
    for name, value in numbers.items():
        values[int(name[1:])] = value
    return values


def test_flat_states_have_the_nodes_they_were_made_of():
    angle = np.linspace(-2.0, 3.0, 20)
    links = 0.02 * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    nodes = np.concatenate([[[0.1, -0.2]], np.array([0.1, -0.2]) + np.cumsum(links, axis=0)])
    both = states.lying(np.stack([nodes, nodes[:, ::-1]]), states.PARKED)
    np.testing.assert_allclose(Physics().nodes(both), np.stack([nodes, nodes[:, ::-1]]), atol=1e-9)


def test_gap_is_the_distance_from_the_ropes_middle_line():
    places = np.array([[0.01, 0.05], [0.0, 0.0], [0.23, 0.04]])
    np.testing.assert_allclose(states.gap(STRAIGHT, places), [0.05, 0.0, 0.05], atol=1e-12)


def test_observed_states_are_returned_as_they_are():
    np.testing.assert_array_equal(states.check_states(FLAT, True)[0], FLAT)
    np.testing.assert_array_equal(states.check_states(STRAIGHT.ravel(), True)[0], FLAT)


@pytest.mark.parametrize(
    ("given", "lifted", "message"),
    [
        (changed(STRAIGHT, n0=9.0), True, r"keep every node on the table, within 1.2"),
        (changed(STRAIGHT, n0=-0.25), True, r"place successive nodes 0.02 apart"),
        (0.8 * STRAIGHT.ravel(), True, r"place successive nodes 0.02 apart"),
        (changed(STRAIGHT, n0=np.nan), True, "give finite numbers"),
        (changed(FLAT, n3=0.5), True, "numbers 3 to 82 are unit quaternions"),
        (changed(FLAT, n2=3.0), True, "keep every number within env.observation_space"),
        (changed(FLAT, n90=1e300), True, "keep every number within env.observation_space"),
        (FLAT, False, "keep the tip within 0.4 of the table's middle"),
        ([0.0, 0.0], True, r"shape \(150,\) or \(42,\) or \(44,\), got shape \(2,\)"),
    ],
)
def test_wrong_states_are_refused(given, lifted, message):
    with pytest.raises(ValueError, match=message):
        states.check_states(given, lifted)


def test_tip_in_the_rope_is_refused_and_named():
    given = np.stack([FLAT, changed(FLAT, n83=0.01, n84=0.002)])
    with pytest.raises(ValueError, match=r"options\['state'\] is \[0.01, 0.002\] in row 4; this tip is in the rope"):
        states.require_apart(np.stack([STRAIGHT, STRAIGHT]), given, np.array([1, 4]))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (changed(STRAIGHT, n41=5.0), "keep every node on the table"),
        (1.3 * STRAIGHT.ravel(), "place successive nodes 0.02 apart"),
        (np.zeros(42), "place successive nodes 0.02 apart"),  # on one spot
        (changed(STRAIGHT, n7=np.inf), "give finite numbers"),
        (STRAIGHT, r"shape \(42,\), got shape \(21, 2\)"),
    ],
)
def test_goals_that_no_rope_reaches_are_refused(given, message):
    with pytest.raises(ValueError, match=message):
        states.check_goals(given)
    short = 0.9 * STRAIGHT.ravel()  # seen from above, a link that stands up is shorter
    np.testing.assert_array_equal(states.check_goals(short)[0], rounded(short))
