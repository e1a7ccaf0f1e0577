"""States and goals of the rope: the layout of their numbers, and checks of given ones.

| Numbers  | State                                                            | Unit  |
|----------|------------------------------------------------------------------|-------|
| 0..2     | x, y, z of the first node                                        | m     |
| 3..6     | orientation of the first link, a unit quaternion (w, x, y, z)    |       |
| 7..82    | orientation of each further link relative to the previous one    |       |
| 83, 84   | x, y of the tip                                                  | m     |
| 85..87   | velocity of the first node                                       | m/s   |
| 88..90   | spin of the first link                                           | rad/s |
| 91..147  | spin of each further link relative to the previous one, own frame | rad/s |
| 148, 149 | velocity of the tip                                              | m/s   |

A goal is x and y of the 21 nodes, in order along the rope. All numbers are float32 values, so an observation is the
state itself.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gbplan.envs.options import chosen_rows, require_rows
from gbplan.envs.shapes import rounded

Floats = NDArray[np.float64]

NODES = 21
LINK = 0.02  # m between nodes
ROPE_RADIUS, TIP_RADIUS = 0.01, 0.015  # m
POSITIONS, STATE_SIZE, GOAL_SIZE = 85, 150, 2 * NODES
QUATERNIONS, TIP = slice(3, 83), slice(83, 85)

REACH = 0.4  # the tip's largest distance from the middle, in x and y, m
PARKED = (1.1, 1.1)  # place of the tip between pushes, in place of lifting it
CORNER = (REACH, REACH)  # place of the tip in states given without one, with small steps
BEYOND = 0.05  # tolerance (m) of the reach for given tips
FIELD = 1.2  # bound of every position, in x and y, m
STRETCH = 0.001  # tolerance (m) of the length of given links
TOUCHING = 0.6 * (ROPE_RADIUS + TIP_RADIUS)  # least distance (m) of tip and rope: they may press on each other

HIGH = np.array([*[FIELD] * 2, 0.5, *[1.0] * 80, *[FIELD] * 2, *[10.0] * 3, *[500.0] * 60, *[10.0] * 2], np.float32)
LOW = -HIGH


def clipped(state: Floats) -> Floats:
    """Return a state as it is observed: rounded to float32, within the limits."""
    return rounded(np.clip(state, LOW, HIGH))


def lying(nodes: Floats, tip: ArrayLike) -> Floats:
    """Return states of ropes that lie flat and at rest.

    Args:
        nodes: x and y of the nodes, ``(..., 21, 2)``; only the first node and the directions of the links are used.
        tip: x and y of the tip, ``(..., 2)``.

    Returns:
        States, ``(..., 150)``.
    """
    state = np.zeros((*nodes.shape[:-2], STATE_SIZE))
    links = np.diff(nodes, axis=-2)
    heading = np.arctan2(links[..., 1], links[..., 0])
    turns = 0.5 * np.diff(heading, axis=-1, prepend=0.0)
    quaternions = np.zeros((*turns.shape, 4))
    quaternions[..., 0], quaternions[..., 3] = np.cos(turns), np.sin(turns)
    state[..., :2], state[..., 2] = nodes[..., 0, :], ROPE_RADIUS
    state[..., QUATERNIONS] = quaternions.reshape(*turns.shape[:-1], -1)
    state[..., TIP] = tip
    return state


def gap(nodes: Floats, place: Floats) -> Any:
    """Return the distances between points ``(..., 2)`` and the centre line of a rope ``(21, 2)``, m, ``(...)``."""
    starts, links = nodes[:-1], np.diff(nodes, axis=0)
    seen = place[..., None, :] - starts
    along = np.clip((seen * links).sum(axis=-1) / np.maximum((links * links).sum(axis=-1), 1e-12), 0.0, 1.0)
    beside = seen - along[..., None] * links
    return np.sqrt((beside * beside).sum(axis=-1)).min(axis=-1)


def check_states(states: Any, lifted: bool, mask: NDArray[np.bool_] | None = None) -> Floats:
    """Check start states, and return them as rows of 150 float32 values.

    Args:
        states: ``(D,)`` or, given a mask, also ``(N, D)``. D is 150; or 42, x and y of the nodes: the rope lies flat
            and at rest, the tip is away; or 44, with x and y of the tip after the nodes.
        lifted: whether the tip is lifted between steps, so that it may be anywhere.
        mask: rows to check and return, ``(N,)``; None: there is one state, without the leading axis.

    Raises:
        ValueError: wrong shape, not finite, off the table, no unit quaternions, links of a wrong length, tip out of
            reach.
    """
    array, rows = chosen_rows("state", states, (STATE_SIZE, GOAL_SIZE, GOAL_SIZE + 2), mask)
    full = array
    if array.shape[1] != STATE_SIZE:
        _require_shape("state", array, rows)
        tip = array[:, GOAL_SIZE:] if array.shape[1] > GOAL_SIZE else np.array(PARKED if lifted else CORNER)
        full = lying(array[:, :GOAL_SIZE].reshape(-1, NODES, 2), tip)
    quaternions = full[:, QUATERNIONS].reshape(len(full), -1, 4)
    norms = np.linalg.norm(quaternions, axis=-1, keepdims=True)
    unit = (np.abs(norms - 1.0) <= 0.01).all(axis=(1, 2))
    require_rows(unit, "state", array, rows, "numbers 3 to 82 are unit quaternions, the links' orientations")
    observed = np.abs(norms - 1.0) <= 1e-6  # an observed state is kept bit for bit
    full = full.copy()
    full[:, QUATERNIONS] = (quaternions / np.where(observed, 1.0, norms)).reshape(len(full), -1)
    full = rounded(full)
    inside = ((full >= LOW) & (full <= HIGH)).all(axis=1)
    require_rows(inside, "state", array, rows, "keep every number within env.observation_space['observation']")
    if not lifted:
        near = (np.abs(full[:, TIP]) <= REACH + BEYOND).all(axis=1)
        require_rows(near, "state", array, rows, f"keep the tip within {REACH} of the table's middle in x and y")
    return full


def check_goals(goals: Any, mask: NDArray[np.bool_] | None = None) -> Floats:
    """Check goals, and return them as rows of 42 float32 values.

    Args:
        goals: ``(42,)`` or, given a mask, also ``(N, 42)``: x and y of the nodes.
        mask: rows to check and return, ``(N,)``; None: there is one goal, without the leading axis.

    Raises:
        ValueError: wrong shape, not finite, off the table, or no shape of the rope: longer, or crumpled.
    """
    array, rows = chosen_rows("goal", goals, (GOAL_SIZE,), mask)
    _require_shape("goal", array, rows, shorter=True)
    return rounded(array)


def require_apart(nodes: Floats, given: Floats, rows: NDArray[np.int64]) -> None:
    """Refuse states whose tip is in the rope.

    Args:
        nodes: nodes of the states, ``(M, 21, 2)``.
        given: states, ``(M, 150)``.
        rows: indices of these rows in the batch, ``(M,)``.
    """
    apart = [gap(shape, state[TIP]) >= TOUCHING for shape, state in zip(nodes, given, strict=True)]
    require_rows(np.array(apart), "state", given[:, TIP], rows, "this tip is in the rope; move it out")


def _require_shape(name: str, array: Floats, rows: NDArray[np.int64], shorter: bool = False) -> None:
    """Refuse shapes off the table and links of a wrong length; with ``shorter``, links may be half as long."""
    inside = (np.abs(array) <= FIELD).all(axis=1)
    require_rows(inside, name, array, rows, f"keep every node on the table, within {FIELD} of its middle in x and y")
    lengths = np.linalg.norm(np.diff(array[:, :GOAL_SIZE].reshape(-1, NODES, 2), axis=1), axis=-1)
    fits = lengths <= LINK + STRETCH
    fits &= lengths >= (LINK / 2 if shorter else LINK - STRETCH)
    require_rows(fits.all(axis=1), name, array, rows, f"place successive nodes {LINK} apart")
