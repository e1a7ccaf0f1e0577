"""States and goals of PushT: the meaning of their numbers, and checks of given ones.

| Numbers | State                                   | Unit        |
|---------|-----------------------------------------|-------------|
| 0, 1    | x, y of the agent                        | px          |
| 2, 3    | x, y of the block                       | px          |
| 4, 5    | cosine and sine of the block's angle    |             |
| 6, 7    | velocity of the agent                    | px/s        |
| 8, 9    | velocity of the block                   | px/s        |
| 10      | spin of the block                       | rad/s       |

A goal is the first six, or the block's four of them. All are float32 numbers: the observation is the state itself.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gbplan.envs.options import chosen_rows, require_rows
from gbplan.envs.push_t import geometry
from gbplan.envs.push_t.geometry import AGENT_HIGH, AGENT_LOW, AGENT_RADIUS
from gbplan.envs.push_t.physics import AGENT_SPEED, BLOCK_SPEED, BLOCK_SPIN, SQUEEZE

Floats = NDArray[np.float64]

STATE_SIZE = 11
BLOCK = slice(2, 6)  # the block's pose in a state
ROUNDING = 1e-4  # px, about a step of float32 at the board's far edge

LOW = np.array([AGENT_LOW, AGENT_LOW, 0, 0, -1, -1, *[-AGENT_SPEED] * 2, *[-BLOCK_SPEED] * 2, -BLOCK_SPIN], np.float32)
HIGH = np.array(
    [AGENT_HIGH, AGENT_HIGH, *[geometry.BOARD] * 2, 1, 1, *[AGENT_SPEED] * 2, *[BLOCK_SPEED] * 2, BLOCK_SPIN],
    np.float32,
)


def goal_part(success: str) -> slice:
    """Return the indices of a state's numbers that are compared with a goal."""
    return BLOCK if success == "block" else slice(0, 6)


def at_rest(x: float, y: float, block_x: float, block_y: float, angle: float) -> list[float]:
    """Return the state in which agent and block stand still."""
    pose = [x, y, block_x, block_y, math.cos(angle), math.sin(angle)]
    return np.array(pose + [0.0] * (STATE_SIZE - len(pose)), np.float32).tolist()


def check_states(states: Any, mask: NDArray[np.bool_] | None = None) -> list[list[float]]:
    """Return start states as rows of 11 float32 numbers, or raise an error.

    Args:
        states: ``(D,)`` or, given a mask, also ``(N, D)``. D is 11; or 5 or 7, as in the original task: positions of
            agent and block and the angle, then the agent's velocity, and otherwise at rest.
        mask: rows to check and return, ``(N,)``; None: there is one state, without the leading axis.

    Raises:
        ValueError: wrong shape, not finite, cosine and sine of no angle, off the table, agent in the block, too fast.
    """
    array, rows = chosen_rows("state", states, (STATE_SIZE, 7, 5), mask)
    full = array if array.shape[1] == STATE_SIZE else _with_cosine(array, 4)
    full = np.pad(full, ((0, 0), (0, STATE_SIZE - full.shape[1])))
    found = _checked("state", full, 4, array, rows)
    slow = np.abs(found[:, 6:]) <= HIGH[6:]
    speeds = f"{AGENT_SPEED:g} px/s per axis, the block's {BLOCK_SPEED:g} px/s and {BLOCK_SPIN:g} rad/s"
    require_rows(slow.all(axis=1), "state", array, rows, f"keep the agent's speed within {speeds}")
    return list(found.tolist())


def check_goals(goals: Any, success: str, mask: NDArray[np.bool_] | None = None) -> list[list[float]]:
    """Return goals as rows of float32 numbers, or raise an error.

    Args:
        goals: ``(G,)`` or, given a mask, also ``(N, G)``: positions of agent and block, then cosine and sine (G = 6) or
            the angle (5); where only the block counts, without the agent (4 or 3).
        success: ``"both"`` or ``"block"``, the bodies that count.
        mask: rows to check and return, ``(N,)``; None: there is one goal, without the leading axis.

    Raises:
        ValueError: wrong shape, not finite, cosine and sine of no angle, off the table, agent in the block.
    """
    at = 2 if success == "block" else 4
    array, rows = chosen_rows("goal", goals, (at + 2, at + 1), mask)
    full = array if array.shape[1] == at + 2 else _with_cosine(array, at)
    return list(_checked("goal", full, at, array, rows).tolist())


def _with_cosine(values: Floats, at: int) -> Floats:
    """Put cosine and sine in place of the angle that is number ``at`` of each row."""
    angle = values[:, at : at + 1]
    return np.concatenate([values[:, :at], np.cos(angle), np.sin(angle), values[:, at + 1 :]], axis=1)


def _checked(name: str, full: Floats, at: int, given: Floats, rows: NDArray[np.int64]) -> Floats:
    """Return rows as float32 numbers; checks that the block lies on the table, and the agent beside it.

    Args:
        name: name of the option.
        full: rows with cosine and sine, ``(M, D)``.
        at: index of the cosine; the sine follows.
        given: rows for messages, ``(M, ...)``.
        rows: indices of the rows, ``(M,)``.
    """
    norm = np.hypot(full[:, at], full[:, at + 1])
    unit = np.abs(norm - 1.0) <= 0.01
    require_rows(unit, name, given, rows, f"numbers {at} and {at + 1} are cosine and sine of the block's angle")
    observed = np.abs(norm - 1.0) <= 1e-6  # these stay unchanged, to the last bit
    full = full.copy()
    full[:, at : at + 2] /= np.where(observed, 1.0, norm)[:, None]
    with np.errstate(over="ignore"):  # too large for float32: infinite, so off the table
        full = full.astype(np.float32).astype(np.float64)
    if at == 4:
        inside = (full[:, :2] >= AGENT_LOW) & (full[:, :2] <= AGENT_HIGH)
        remedy = f"keep the agent on the table, its x and y within {AGENT_LOW:g}..{AGENT_HIGH:g}"
        require_rows(inside.all(axis=1), name, given, rows, remedy)
    poses = full[:, at - 2 : at + 2].tolist()
    inside = np.array([geometry.beyond_walls(pose) <= SQUEEZE + ROUNDING for pose in poses])
    remedy = f"keep the block's corners on the table, within {geometry.LOW:g}..{geometry.HIGH:g}"
    require_rows(inside, name, given, rows, f"{remedy}, or {SQUEEZE:g} px beyond at most")
    if at == 4:
        depths = [geometry.overlap(x, y, pose) for (x, y), pose in zip(full[:, :2].tolist(), poses, strict=True)]
        apart = np.array(depths) <= AGENT_RADIUS
        require_rows(apart, name, given, rows, "move the agent's middle out of the block")
    return full


def errors(achieved: ArrayLike, desired: ArrayLike) -> tuple[Any, Any]:
    """Return the distances between goals.

    Args:
        achieved: goals of 4 or of 6 numbers, ``(..., G)``.
        desired: goals of as many numbers.

    Returns:
        Distance of the positions, of agent and block together where both are given (px), and the angle between the
        blocks, 0 to pi (rad), ``(...)`` each.
    """
    one, other = np.asarray(achieved, np.float64), np.asarray(desired, np.float64)
    # Written out number by number, so that a row equals, to the last bit, the same goals alone.
    squared: Any = 0.0
    for i in range(one.shape[-1] - 2):
        apart = one[..., i] - other[..., i]
        squared = squared + apart * apart
    cos, sin, other_cos, other_sin = one[..., -2], one[..., -1], other[..., -2], other[..., -1]
    turned = np.arctan2(cos * other_sin - sin * other_cos, cos * other_cos + sin * other_sin)
    return np.sqrt(squared), np.abs(turned)
