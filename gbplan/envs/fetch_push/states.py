"""States and goals of FetchPush: the meaning of their numbers, and checks of given ones.

| Numbers | State                                                  | Unit       |
|---------|--------------------------------------------------------|------------|
| 0..14   | positions of the robot's joints, in MuJoCo's order     | m, rad     |
| 15..17  | x, y, z of the cube's middle                           | m          |
| 18..21  | its orientation, a unit quaternion (w, x, y, z)        |            |
| 22..36  | velocities of the robot's joints                       | m/s, rad/s |
| 37..39  | velocity of the cube                                   | m/s        |
| 40..42  | its spin, in its own frame                             | rad/s      |

A goal is a place for the cube's middle. All are float32 numbers: the observation is the state itself.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gbplan.envs.options import chosen_rows, require_rows

Floats = NDArray[np.float64]

POSITIONS, STATE_SIZE, FEATURES = 22, 43, 25
CUBE, QUATERNION = slice(15, 18), slice(18, 22)

# The table is a box on the floor, in metres: its range in x and y, and its height.
TABLE_LOW, TABLE_HIGH, TABLE_TOP = np.array([1.05, 0.4]), np.array([1.55, 1.1]), 0.4
HALF = 0.025  # half the width of the cube, m
LYING = np.float64(np.float32(0.42470210))  # z of the cube's middle when it lies on the table and presses it in

# Joints and speeds are far from these limits in every episode; a state beyond a limit is clipped to it.
JOINTS, JOINT_SPEED, SPEED, SPIN = 4.0, 50.0, 20.0, 500.0
ROOM_LOW, ROOM_HIGH = (-1.0, -1.0, -0.1), (3.0, 2.5, 3.0)
LOW = np.array([*[-JOINTS] * 15, *ROOM_LOW, *[-1.0] * 4, *[-JOINT_SPEED] * 15, *[-SPEED] * 3, *[-SPIN] * 3], np.float32)
HIGH = np.array([*[JOINTS] * 15, *ROOM_HIGH, *[1.0] * 4, *[JOINT_SPEED] * 15, *[SPEED] * 3, *[SPIN] * 3], np.float32)
# The 25 features: places, angles, and velocities per step of 0.04 s.
FEATURES_LIMIT = np.full(FEATURES, 20.0, np.float32)


def rounded(values: Floats) -> Floats:
    """Return float32 numbers, in float64."""
    with np.errstate(over="ignore"):  # too large for float32: infinite, so outside
        return values.astype(np.float32).astype(np.float64)


def clipped(state: Floats) -> Floats:
    """Return a state as it is observed: in float32 numbers, within the limits."""
    return rounded(np.clip(state, LOW, HIGH))


def with_cube_at(start: Floats, place: Floats) -> Floats:
    """Return states like ``start``, with the cube lying at rest at x and y, ``(..., 2)``, as ``(..., 43)``."""
    state = np.broadcast_to(start, (*place.shape[:-1], STATE_SIZE)).copy()
    state[..., 15:17], state[..., 17] = place, LYING
    return state


def check_states(states: Any, start: Floats, mask: NDArray[np.bool_] | None = None) -> Floats:
    """Return start states as rows of 43 float32 numbers, or raise an error.

    Args:
        states: ``(D,)`` or, given a mask, also ``(N, D)``. D is 43; or 2, x and y of the cube: it lies on the table,
            and the robot is as an episode begins.
        start: the state in which an episode begins, but for the cube's place, ``(43,)``.
        mask: rows to check and return, ``(N,)``; None: there is one state, without the leading axis.

    Raises:
        ValueError: wrong shape, not finite, cube off or in the table, no orientation, too fast.
    """
    array, rows = chosen_rows("state", states, (STATE_SIZE, 2), mask)
    if array.shape[1] == 2:
        require_rows(_on_table(array), "state", array, rows, _ON_TABLE)
        return rounded(with_cube_at(start, array))
    norm = np.linalg.norm(array[:, QUATERNION], axis=1)
    remedy = "numbers 18 to 21 are a unit quaternion, the cube's orientation"
    require_rows(np.abs(norm - 1.0) <= 0.01, "state", array, rows, remedy)
    observed = np.abs(norm - 1.0) <= 1e-6  # these stay unchanged, to the last bit
    full = array.copy()
    full[:, QUATERNION] /= np.where(observed, 1.0, norm)[:, None]
    full = rounded(full)
    inside = ((full >= LOW) & (full <= HIGH)).all(axis=1)
    remedy = "keep every number within env.observation_space['observation']"
    require_rows(inside, "state", array, rows, remedy)
    # A cube pressed from above sinks in a little.
    above = ~_over_table(full[:, 15:17]) | (full[:, 17] >= TABLE_TOP - HALF)
    require_rows(above, "state", array, rows, f"lift the cube out of the table, to z = {LYING:.4f}")
    return full


def check_goals(goals: Any, mask: NDArray[np.bool_] | None = None) -> Floats:
    """Return goals as rows of float32 numbers, or raise an error.

    Args:
        goals: ``(G,)`` or, given a mask, also ``(N, G)``. G is 3; or 2, x and y, on the table.
        mask: rows to check and return, ``(N,)``; None: there is one goal, without the leading axis.

    Raises:
        ValueError: wrong shape, not finite, off the table.
    """
    array, rows = chosen_rows("goal", goals, (3, 2), mask)
    full = array if array.shape[1] == 3 else np.column_stack([array, np.full(len(array), LYING)])
    full = rounded(full)
    lies = np.abs(full[:, 2] - LYING) <= HALF  # no push lifts the cube
    require_rows(_on_table(full[:, :2]) & lies, "goal", array, rows, f"{_ON_TABLE}, z within {HALF} of {LYING:.4f}")
    return full


_SPAN = " and ".join(
    f"{name} within {low + HALF:g}..{high - HALF:g}"
    for name, low, high in zip("xy", TABLE_LOW.tolist(), TABLE_HIGH.tolist(), strict=True)
)
_ON_TABLE = f"keep the cube on the table, {_SPAN}"


def _on_table(places: Floats) -> Any:
    """Return whether a cube at x and y, ``(M, 2)``, lies on the table with its whole width."""
    return np.logical_and(places >= TABLE_LOW + HALF, places <= TABLE_HIGH - HALF).all(axis=1)


def _over_table(places: Floats) -> Any:
    return np.logical_and(places > TABLE_LOW, places < TABLE_HIGH).all(axis=1)
