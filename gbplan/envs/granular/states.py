"""States of the discs, which are goals as well: x and y of each disc in m, as float32 values; and their checks."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gbplan.envs.options import chosen_rows, require_rows
from gbplan.envs.shapes import rounded

DISCS = 30
SIZE = 2 * DISCS  # numbers of a state, and of a goal
DISC_RADIUS = 0.015  # m
REACH = 0.4  # the bar's largest distance from the middle, in x and y, m
FIELD = 1.5  # bound of every position, in x and y, m: a row of all discs before the bar ends within it
OVERLAP = 0.001  # most overlap (m) of given discs; pushes leave a fifth of it, at most

Floats = NDArray[np.float64]


def check_discs(name: str, given: Any, mask: NDArray[np.bool_] | None = None) -> Floats:
    """Check start states or goals, and return them as rows of 60 float32 values.

    Args:
        name: name of the option, ``"state"`` or ``"goal"``.
        given: x and y of the discs, ``(60,)`` or, given a mask, also ``(N, 60)``.
        mask: rows to check and return, ``(N,)``; None: there is one row, without the leading axis.

    Raises:
        ValueError: wrong shape, not finite, off the table, or discs that overlap by more than 1 mm.
    """
    array, rows = chosen_rows(name, given, (SIZE,), mask)
    inside = (np.abs(array) <= FIELD).all(axis=1)
    require_rows(inside, name, array, rows, f"keep every disc on the table, within {FIELD} of its middle in x and y")
    apart = np.array([_least_distance(row) for row in array]) >= 2.0 * DISC_RADIUS - OVERLAP
    require_rows(apart, name, array, rows, f"discs overlap; place their middles {2.0 * DISC_RADIUS} apart")
    return rounded(array)


def _least_distance(state: Floats) -> float:
    """Return the least distance between middles of discs, m."""
    places = state.reshape(DISCS, 2)
    first, second = np.triu_indices(DISCS, 1)
    return float(np.linalg.norm(places[first] - places[second], axis=1).min())
