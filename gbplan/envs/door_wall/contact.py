"""Exact contact of a moving point with the wall, its door and the borders.

The world is the square ``[-HALF_SIZE, HALF_SIZE]^2``. Its wall is a line without thickness on ``x = 0``, open where
``low <= y <= high`` (the door, edges included); its borders are closed. Beside the door the agent stays ``SKIN`` away
from the wall, and everywhere ``SKIN`` away from the borders.

A move is a straight segment in time, and whether it passes the wall is decided by the height at which it crosses ``x =
0``, with y held at the borders. With ``slide`` the free axis then moves on to its own end; ``stop`` ends the move at
its first contact.

Every function exists for one agent (Python floats, several times faster than small arrays) and for rows of agents
(arrays). Both do the same IEEE operations in the same order, so that their results are equal bit for bit.
"""

from math import inf

import numpy as np
from numpy.typing import NDArray

HALF_SIZE = 2.0

# The skin and the limit are float32 numbers, so that a position that respects them still does so when it is observed
# in float32 (rounding is monotone).
SKIN = float(np.float32(1e-3))
LIMIT = float(np.float32(HALF_SIZE - 1e-3))

# In the doorway the skin does not hold, but x must not be 0: the agent is always on one side.
CLOSEST = 1e-6

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


def slide(
    x: float, y: float, dx: float, dy: float, low: float, high: float, wall: float = 0.0
) -> tuple[float, float, bool, bool]:
    """Move one agent; a blocked axis ends at its obstacle, the other axis goes on.

    Args:
        x: position, not that of the wall, within the borders and outside the wall's skin.
        y: position.
        dx: intended displacement, any finite size.
        dy: intended displacement.
        low: lower edge of the door.
        high: upper edge of the door.
        wall: x of the wall, in ``slide`` alone; away from the borders by more than the skin.

    Returns:
        The position reached, and per axis whether an obstacle was hit: ``(x, y, hit_x, hit_y)``.
    """
    end_x, end_y = x + dx, y + dy
    new_x, new_y = _within_borders(end_x), _within_borders(end_y)
    hit_x, hit_y = new_x != end_x, new_y != end_y
    side = 1.0 if x > wall else -1.0
    if side * (end_x - wall) < 0.0:
        if low <= _within_borders(y + (x - wall) / (x - end_x) * dy) <= high:
            side = -side
        else:
            new_x, hit_x = wall + side * SKIN, True
    new_x, held = _beside_the_wall(new_x, new_y, side, dx, low, high, wall)
    return new_x, new_y, hit_x or held, hit_y


def slide_rows(position: Floats, displacement: Floats, low: float, high: float) -> tuple[Floats, Bools]:
    """Move every row like `slide`.

    Args:
        position: ``(N, 2)``.
        displacement: ``(N, 2)``.
        low: lower edge of the door.
        high: upper edge of the door.

    Returns:
        Positions reached and, per axis, whether an obstacle was hit, ``(N, 2)`` each.
    """
    end = position + displacement
    new = np.clip(end, -LIMIT, LIMIT)
    hit = new != end
    rows = np.flatnonzero(_may_meet_wall(position, end))
    if rows.size:
        x, y = position.take(rows, axis=0).T
        dx, dy = displacement.take(rows, axis=0).T
        new_x, new_y = new.take(rows, axis=0).T
        end_x = x + dx
        side = np.copysign(1.0, x)
        crosses = side * end_x < 0.0
        height = np.clip(y + x / np.where(crosses, x - end_x, 1.0) * dy, -LIMIT, LIMIT)
        inside = (low <= height) & (height <= high)
        blocked = crosses & ~inside
        new_x = np.where(blocked, side * SKIN, new_x)
        side = np.where(crosses & inside, -side, side)
        new[rows, 0], held = _rows_beside_the_wall(new_x, new_y, side, dx, low, high)
        hit[rows, 0] |= blocked | held
    return new, hit


def stop(x: float, y: float, dx: float, dy: float, low: float, high: float) -> tuple[float, float, bool, bool]:
    """Move one agent until its first contact; arguments and results as in `slide`."""
    end_x, end_y = x + dx, y + dy
    edge_x, edge_y = _within_borders(end_x), _within_borders(end_y)
    side = 1.0 if x > 0.0 else -1.0

    # Time at which each obstacle is met, as a fraction of the move.
    time_x = (edge_x - x) / dx if edge_x != end_x else inf
    time_y = (edge_y - y) / dy if edge_y != end_y else inf
    time_wall = inf
    if side * end_x < SKIN and side * dx < 0.0:
        height = _within_borders(y + x / (x - end_x) * dy) if side * end_x < 0.0 else edge_y
        if not low <= height <= high:
            # An agent that begins inside the skin, in the doorway, cannot move further.
            time_wall = (side * SKIN - x) / dx if side * x > SKIN else 0.0
    time = min(time_x, time_y, time_wall)

    new_x, new_y = (end_x, end_y) if time == inf else (x + time * dx, y + time * dy)
    # The coordinate in contact is set, not computed: rounding must not move it into the skin.
    if time_wall == time and time_wall < inf and side * x > SKIN:
        new_x = side * SKIN
    new_x = edge_x if time_x == time and time_x < inf else _within_borders(new_x)
    new_y = edge_y if time_y == time and time_y < inf else _within_borders(new_y)
    if side * new_x < 0.0:
        side = -side
    new_x, held = _beside_the_wall(new_x, new_y, side, dx, low, high)
    hit_x = time < inf and (time_x == time or time_wall == time)
    return new_x, new_y, hit_x or held, time < inf and time_y == time


def stop_rows(position: Floats, displacement: Floats, low: float, high: float) -> tuple[Floats, Bools]:
    """Move every row like `stop`; arguments and results as in `slide_rows`."""
    new = position + displacement
    hit = np.zeros(new.shape, np.bool_)
    outside = np.abs(new) > LIMIT
    rows = np.flatnonzero(_may_meet_wall(position, new) | outside[:, 0] | outside[:, 1])
    if not rows.size:
        return new, hit
    x, y = position.take(rows, axis=0).T
    dx, dy = displacement.take(rows, axis=0).T
    end_x, end_y = x + dx, y + dy
    edge_x, edge_y = np.clip(end_x, -LIMIT, LIMIT), np.clip(end_y, -LIMIT, LIMIT)
    side = np.copysign(1.0, x)

    out_x, out_y = edge_x != end_x, edge_y != end_y
    time_x = np.where(out_x, (edge_x - x) / np.where(out_x, dx, 1.0), inf)
    time_y = np.where(out_y, (edge_y - y) / np.where(out_y, dy, 1.0), inf)
    crosses = side * end_x < 0.0
    height = np.where(crosses, np.clip(y + x / np.where(crosses, x - end_x, 1.0) * dy, -LIMIT, LIMIT), edge_y)
    to_wall = (side * end_x < SKIN) & (side * dx < 0.0) & ~((low <= height) & (height <= high))
    outside_skin = side * x > SKIN
    until_skin = np.where(outside_skin, (side * SKIN - x) / np.where(to_wall, dx, 1.0), 0.0)
    time_wall = np.where(to_wall, until_skin, inf)
    time = np.minimum(np.minimum(time_x, time_y), time_wall)

    met = time < inf
    part = np.where(met, time, 0.0)
    new_x = np.where(met, x + part * dx, end_x)
    new_y = np.where(met, y + part * dy, end_y)
    wall_met, x_met, y_met = met & (time_wall == time), met & (time_x == time), met & (time_y == time)
    new_x = np.where(wall_met & outside_skin, side * SKIN, new_x)
    new_x = np.where(x_met, edge_x, np.clip(new_x, -LIMIT, LIMIT))
    new_y = np.where(y_met, edge_y, np.clip(new_y, -LIMIT, LIMIT))
    side = np.where(side * new_x < 0.0, -side, side)
    new_x, held = _rows_beside_the_wall(new_x, new_y, side, dx, low, high)
    new[rows] = np.stack([new_x, new_y], axis=-1)
    hit[rows] = np.stack([x_met | wall_met | held, y_met], axis=-1)
    return new, hit


def _may_meet_wall(position: Floats, end: Floats) -> Bools:
    """Return the few rows, ``(N,)``, that may cross x = 0 or end in the skin; the others are free of the wall."""
    # Such an end lies beyond the wall or nearer than SKIN, so x * end_x < |x| * SKIN, and |x| < HALF_SIZE.
    return position[:, 0] * end[:, 0] < HALF_SIZE * SKIN


def _within_borders(value: float) -> float:
    return -LIMIT if value < -LIMIT else LIMIT if value > LIMIT else value


def _beside_the_wall(
    x: float, y: float, side: float, dx: float, low: float, high: float, wall: float = 0.0
) -> tuple[float, bool]:
    """Keep an agent on ``side`` off the wall, and off its x in the doorway; return x and whether dx met the skin."""
    if side * (x - wall) < SKIN and not low <= y <= high:
        return wall + side * SKIN, side * dx < 0.0
    return (wall + side * CLOSEST if side * (x - wall) < CLOSEST else x), False


def _rows_beside_the_wall(
    x: Floats, y: Floats, side: Floats, dx: Floats, low: float, high: float
) -> tuple[Floats, Bools]:
    held = (side * x < SKIN) & ~((low <= y) & (y <= high))
    x = np.where(held, side * SKIN, np.where(side * x < CLOSEST, side * CLOSEST, x))
    return x, held & (side * dx < 0.0)
