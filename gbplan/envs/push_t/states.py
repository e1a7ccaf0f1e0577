"""What the numbers of a state and of a goal mean, and what is wrong with given ones.

| Numbers | State                                   | Unit        |
|---------|-----------------------------------------|-------------|
| 0, 1    | x, y of the agent                        | px          |
| 2, 3    | x, y of the block                       | px          |
| 4, 5    | cosine and sine of the block's angle    |             |
| 6, 7    | velocity of the agent                    | px/s        |
| 8, 9    | velocity of the block                   | px/s        |
| 10      | spin of the block                       | rad/s       |

A goal is the first six, or the block's four of them. All are float32 numbers: what is observed is the state itself.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from gbplan.envs.push_t import geometry
from gbplan.envs.push_t.geometry import AGENT_HIGH, AGENT_LOW, AGENT_RADIUS
from gbplan.envs.push_t.physics import AGENT_SPEED, BLOCK_SPEED, BLOCK_SPIN, SQUEEZE

STATE_SIZE = 11
BLOCK = slice(2, 6)  # the block's pose in a state
ROUNDING = 1e-4  # px, about a step of float32 at the board's far edge

LOW = np.array([AGENT_LOW, AGENT_LOW, 0, 0, -1, -1, *[-AGENT_SPEED] * 2, *[-BLOCK_SPEED] * 2, -BLOCK_SPIN], np.float32)
HIGH = np.array(
    [AGENT_HIGH, AGENT_HIGH, *[geometry.BOARD] * 2, 1, 1, *[AGENT_SPEED] * 2, *[BLOCK_SPEED] * 2, BLOCK_SPIN],
    np.float32,
)


def goal_part(success: str) -> slice:
    """Return which numbers of a state are compared with a goal."""
    return BLOCK if success == "block" else slice(0, 6)


def at_rest(x: float, y: float, block_x: float, block_y: float, angle: float) -> list[float]:
    """Return the state in which agent and block stand still."""
    pose = [x, y, block_x, block_y, math.cos(angle), math.sin(angle)]
    return np.array(pose + [0.0] * (STATE_SIZE - len(pose)), np.float32).tolist()


def check_state(given: Any) -> list[float]:
    """Return a state as its 11 float32 numbers, or say what is wrong with it.

    Args:
        given: 11 numbers; or 5 or 7, the field's: positions of agent and block and the angle, then the agent's
        velocity,
            and otherwise at rest.

    Raises:
        ValueError: another shape, not finite, cosine and sine of no angle, off the table, agent in the block, too fast.
    """
    values = _numbers("state", given, {STATE_SIZE: 4, 7: None, 5: None})
    pose, velocities = values[:6], values[6:]
    state = [*pose, *velocities, *[0.0] * (STATE_SIZE - len(values))]
    _check_agent("state", pose)
    _check_block("state", pose[2:])
    if geometry.overlap(pose[0], pose[1], pose[2:]) > AGENT_RADIUS:
        raise ValueError(f"options['state'] has the agent's middle, {_shown(pose[:2])}, inside the block; move it out")
    limits = [AGENT_SPEED] * 2 + [BLOCK_SPEED] * 2 + [BLOCK_SPIN]
    for value, limit, name in zip(state[6:], limits, ("the agent", "the agent", *["the block"] * 3), strict=True):
        if abs(value) > limit:
            raise ValueError(
                f"options['state'] moves {name} at {value:g}; keep the agent within {AGENT_SPEED:g} px/s per axis, the "
                f"block within {BLOCK_SPEED:g} px/s and {BLOCK_SPIN:g} rad/s"
            )
    return state


def check_goal(given: Any, success: str) -> list[float]:
    """Return a goal as its float32 numbers, or say what is wrong with it.

    Args:
        given: positions of agent and block, then cosine and sine (6 numbers) or angle (5); where only the block counts,
            without the agent (4 or 3).
        success: ``"both"`` or ``"block"``, what counts.

    Raises:
        ValueError: another shape, not finite, cosine and sine of no angle; block off the table; agent so deep in the
            block that no state is that near.
    """
    if success == "block":
        goal = _numbers("goal", given, {4: 2, 3: None})
        _check_block("goal", goal)
        return goal
    goal = _numbers("goal", given, {6: 4, 5: None})
    _check_agent("goal", goal)
    _check_block("goal", goal[2:])
    if geometry.overlap(goal[0], goal[1], goal[2:]) > AGENT_RADIUS:
        raise ValueError(f"options['goal'] has the agent's middle, {_shown(goal[:2])}, inside the block; move it out")
    return goal


def _numbers(name: str, given: Any, sizes: dict[int, int | None]) -> list[float]:
    """Return float32 numbers with cosine and sine, which stand at the place that belongs to their count.

    Args:
        name: of the option.
        given: what is to be read.
        sizes: where the cosine is, by the count of numbers; None: an angle in its stead, after the positions.
    """
    expected = f"options[{name!r}] must be finite numbers of shape {' or '.join(f'({size},)' for size in sizes)}"
    try:
        array = np.asarray(given, np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"{expected}, got {given!r}") from None
    if array.ndim != 1 or len(array) not in sizes:
        raise ValueError(f"{expected}, got shape {array.shape}")
    if not np.isfinite(array).all() or np.abs(array).max() > 1e6:
        raise ValueError(f"options[{name!r}] is {_shown(array.tolist())}; give finite numbers, in px and rad")
    values, cosine = array.tolist(), sizes[len(array)]
    if cosine is None:
        at = max(index for index in sizes.values() if index is not None)
        values[at : at + 1] = math.cos(values[at]), math.sin(values[at])
    else:
        cos, sin = values[cosine : cosine + 2]
        norm = math.hypot(cos, sin)
        if not 0.99 <= norm <= 1.01:
            raise ValueError(
                f"options[{name!r}] has {cos:g} and {sin:g} as cosine and sine of the angle, whose squares must add up "
                "to 1"
            )
        if abs(norm - 1.0) > 1e-6:  # else they were observed, and stay what they are
            values[cosine : cosine + 2] = cos / norm, sin / norm
    rounded: list[float] = np.array(values, np.float32).tolist()
    return rounded


def _check_agent(name: str, position: list[float]) -> None:
    if not all(AGENT_LOW <= value <= AGENT_HIGH for value in position[:2]):
        raise ValueError(
            f"options[{name!r}] has the agent at {_shown(position[:2])}, off the table; keep its x and y within "
            f"{AGENT_LOW:g}..{AGENT_HIGH:g}"
        )


def _check_block(name: str, pose: list[float]) -> None:
    beyond = geometry.beyond_walls(pose)
    if beyond > SQUEEZE + ROUNDING:
        raise ValueError(
            f"options[{name!r}] has a corner of the block {beyond:.1f} px inside a wall; keep its corners within "
            f"{geometry.LOW:g}..{geometry.HIGH:g}, or {SQUEEZE:g} px beyond at most"
        )


def _shown(values: list[float]) -> str:
    return f"[{', '.join(f'{value:g}' for value in values)}]"


def errors(achieved: ArrayLike, desired: ArrayLike) -> tuple[Any, Any]:
    """Return how far goals are apart.

    Args:
        achieved: goals of 4 or of 6 numbers, ``(..., G)``.
        desired: likewise.

    Returns:
        Distance of the positions, of agent and block together where both are given (px), and the angle between the
        blocks, 0 to pi (rad), ``(...)`` each.
    """
    one, other = np.asarray(achieved, np.float64), np.asarray(desired, np.float64)
    # Written out, number by number: a row must not differ in its last bit from the same goals by themselves.
    squared: Any = 0.0
    for i in range(one.shape[-1] - 2):
        apart = one[..., i] - other[..., i]
        squared = squared + apart * apart
    cos, sin, other_cos, other_sin = one[..., -2], one[..., -1], other[..., -2], other[..., -1]
    turned = np.arctan2(cos * other_sin - sin * other_cos, cos * other_cos + sin * other_sin)
    return np.sqrt(squared), np.abs(turned)
