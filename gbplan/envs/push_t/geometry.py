"""The board, the block and the agent of PushT: sizes and distances, in pixels, y pointing down.

A pose of the block is the position of the middle of the bar's free edge, and cosine and sine of its angle; at angle 0
the stem points to +y. Sizes are those of Diffusion Policy's PushT (Chi et al., 2023).
"""

import math
from collections.abc import Sequence

Point = tuple[float, float]
Pose = Sequence[float]  # x, y, cos, sin
Rectangle = tuple[float, float, float, float]  # x from, x to, y from, y to

BOARD = 512.0  # edge of the view
LOW, HIGH = 7.0, 504.0  # faces of the walls
AGENT_RADIUS = 15.0
AGENT_LOW, AGENT_HIGH = LOW + AGENT_RADIUS, HIGH - AGENT_RADIUS

# The block, in its own frame.
BAR = (-60.0, 60.0, 0.0, 30.0)
STEM = (-15.0, 15.0, 30.0, 120.0)
SOLID = (BAR, (-15.0, 15.0, 0.0, 120.0))  # the same T, without a seam where distances are measured
CORNERS = ((-60.0, 0.0), (60.0, 0.0), (60.0, 30.0), (-60.0, 30.0), (15.0, 120.0), (-15.0, 120.0))
AREA = 6300.0
RADIUS = math.hypot(15.0, 120.0)  # largest distance of a point of the block from its position


def rectangle(sides: Rectangle) -> list[Point]:
    """Return the corners of a rectangle."""
    left, right, top, bottom = sides
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


def on_board(pose: Pose, points: Sequence[Point] = CORNERS) -> list[Point]:
    """Return where points of the block, given in its own frame, lie on the board."""
    x, y, cos, sin = pose
    return [(x + cos * u - sin * v, y + sin * u + cos * v) for u, v in points]


def beyond_walls(pose: Pose) -> float:
    """Return the depth of the block's furthest corner in a wall; negative: the distance from the nearest wall."""
    return max(max(LOW - x, LOW - y, x - HIGH, y - HIGH) for x, y in on_board(pose))


def overlap(x: float, y: float, pose: Pose) -> float:
    """Return the depth of an agent at x, y in the block; negative: the distance between them."""
    block_x, block_y, cos, sin = pose
    dx, dy = x - block_x, y - block_y
    u, v = cos * dx + sin * dy, cos * dy - sin * dx
    return AGENT_RADIUS - min(_outside(u, v, part) for part in SOLID)


def _outside(u: float, v: float, sides: Rectangle) -> float:
    """Return the distance of a point from a rectangle; inside, minus the distance from the nearest edge."""
    left, right, top, bottom = sides
    across, down = max(left - u, u - right), max(top - v, v - bottom)
    return math.hypot(max(across, 0.0), max(down, 0.0)) + min(max(across, down), 0.0)


def coverage(pose: Pose, goal: Pose) -> float:
    """Return the part of the block at ``goal`` that the block at ``pose`` covers, 0 to 1."""
    if math.hypot(pose[0] - goal[0], pose[1] - goal[1]) >= 2 * RADIUS:
        return 0.0
    ours, theirs = ([on_board(at, rectangle(part)) for part in (BAR, STEM)] for at in (pose, goal))
    return min(sum(_area(_clipped(one, other)) for one in ours for other in theirs) / AREA, 1.0)


def _clipped(polygon: list[Point], window: list[Point]) -> list[Point]:
    """Return the part of a convex polygon inside another (Sutherland and Hodgman, 1974); both turn the same way."""
    for i, (x, y) in enumerate(window):
        next_x, next_y = window[(i + 1) % len(window)]
        edge_x, edge_y = next_x - x, next_y - y
        sides = [edge_x * (v - y) - edge_y * (u - x) for u, v in polygon]
        kept: list[Point] = []
        for j, (point, side) in enumerate(zip(polygon, sides, strict=True)):
            last, last_side = polygon[j - 1], sides[j - 1]
            if (side >= 0.0) != (last_side >= 0.0):
                part = last_side / (last_side - side)
                kept.append((last[0] + part * (point[0] - last[0]), last[1] + part * (point[1] - last[1])))
            if side >= 0.0:
                kept.append(point)
        polygon = kept
        if not polygon:
            break
    return polygon


def _area(polygon: list[Point]) -> float:
    following = polygon[1:] + polygon[:1]
    return 0.5 * abs(sum(x * v - u * y for (x, y), (u, v) in zip(polygon, following, strict=True)))
