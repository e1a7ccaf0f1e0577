"""Drawing of the world, seen from above."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from gbplan.envs.door_wall.contact import HALF_SIZE
from gbplan.envs.door_wall.world import World

SIZE = 256  # pixels
MARGIN = 10  # pixels outside the borders, which are drawn there
SCALE = (SIZE - 2 * MARGIN) / (2 * HALF_SIZE)  # pixels per world unit

BACKGROUND = (250, 250, 247)
WALL = (52, 58, 64)
DOOR = (176, 224, 176)
TRAIL = (120, 160, 220)
AGENT = (25, 90, 190)
GOAL = (215, 60, 50)
START = (150, 150, 150)

Point = tuple[float, float]


def draw_world(world: World, trail: Sequence[Point], goal: Point) -> NDArray[np.uint8]:
    """Draw one agent's episode.

    Args:
        world: gives the door and the goal's size.
        trail: positions so far, in world units; the agent stands at the last one.
        goal: position of the goal, in world units.

    Returns:
        RGB image, ``(SIZE, SIZE, 3)``, y upwards.
    """
    image = np.empty((SIZE, SIZE, 3))
    image[:] = BACKGROUND
    edge = HALF_SIZE + 3 / SCALE  # the middle of the borders' lines
    for a, b in (((-edge, -edge), (-edge, edge)), ((edge, -edge), (edge, edge))):
        _line(image, a, b, 3.0, WALL)
        _line(image, a[::-1], b[::-1], 3.0, WALL)
    _line(image, (0.0, world.door_low), (0.0, world.door_high), 2.5, DOOR)
    # The wall's lines have round ends, which must not narrow the door.
    end = 2.5 / SCALE
    if world.door_low - end > -edge:
        _line(image, (0.0, -edge), (0.0, world.door_low - end), 2.5, WALL)
    if world.door_high + end < edge:
        _line(image, (0.0, world.door_high + end), (0.0, edge), 2.5, WALL)

    _disc(image, goal, world.goal_threshold * SCALE, tuple(int(0.5 * c + 127) for c in GOAL))
    _disc(image, goal, 2.5, GOAL)
    for a, b in pairwise(trail):
        _line(image, a, b, 1.0, TRAIL)
    _disc(image, trail[0], 2.5, START)
    _disc(image, trail[-1], 4.5, AGENT)
    return np.rint(image).astype(np.uint8)


def _disc(image: NDArray[np.float64], center: Point, radius: float, colour: tuple[int, ...]) -> None:
    _line(image, center, center, radius, colour)


def _line(image: NDArray[np.float64], a: Point, b: Point, radius: float, colour: tuple[int, ...]) -> None:
    """Paint all pixels within ``radius`` pixels of the segment from a to b, with smooth edges."""
    (ax, ay), (bx, by) = _to_pixels(a), _to_pixels(b)
    reach = radius + 1.0
    left, right = max(int(min(ax, bx) - reach), 0), min(int(max(ax, bx) + reach) + 2, SIZE)
    top, bottom = max(int(min(ay, by) - reach), 0), min(int(max(ay, by) + reach) + 2, SIZE)
    x, y = np.arange(left, right)[None, :], np.arange(top, bottom)[:, None]
    length2 = (bx - ax) ** 2 + (by - ay) ** 2
    along = ((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / length2 if length2 > 0.0 else 0.0
    along = np.clip(along, 0.0, 1.0)
    distance = np.hypot(x - ax - along * (bx - ax), y - ay - along * (by - ay))
    cover = np.clip(radius + 0.5 - distance, 0.0, 1.0)[:, :, None]
    window = image[top:bottom, left:right]
    window += cover * (np.array(colour) - window)


def _to_pixels(point: Point) -> Point:
    return MARGIN - 0.5 + (point[0] + HALF_SIZE) * SCALE, MARGIN - 0.5 + (HALF_SIZE - point[1]) * SCALE
