"""Pictures of the table, seen from above: of many states at once, and of one with its goal.

Everything is antialiased: an edge fades over a pixel of the picture, so that pixels change smoothly with the state.
y points down, as in the original's pictures.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gbplan.envs.push_t import geometry
from gbplan.envs.push_t.geometry import AGENT_RADIUS, BOARD

SIZE = 256  # pixels of an episode's picture
CHUNK = 64  # pictures at once; their pixels fit a processor's cache

TABLE = (255, 255, 255)
WALL = (211, 211, 211)
BLOCK = (119, 136, 153)
AGENT = (65, 105, 225)
GOAL_BLOCK = (144, 238, 144)
GOAL_AGENT = (196, 210, 246)

Floats = NDArray[np.float32]
Colour = tuple[int, int, int]


def draw(rows: ArrayLike, size: int = 64) -> NDArray[np.uint8]:
    """Draw the table with block and agent, for each row.

    Args:
        rows: positions of agent and block, cosine and sine of the block's angle, and other numbers of a state, which
            are ignored, ``(N, >= 6)``; or the block's four numbers alone, ``(N, 4)``.
        size: pixels along an edge of a picture, at least 8.

    Returns:
        RGB pictures, ``(N, size, size, 3)``.

    Raises:
        ValueError: rows or size have another form.
    """
    values = np.asarray(rows, np.float32)
    if values.ndim != 2 or not (values.shape[1] == 4 or values.shape[1] >= 6):
        raise ValueError(f"states to draw must have shape (N, 11), goals (N, 6) or (N, 4), got {values.shape}")
    if not isinstance(size, int | np.integer) or size < 8:
        raise ValueError(f"size must be a whole number of pixels, at least 8, got {size!r}")
    pictures = np.empty((len(values), size, size, 3), np.uint8)
    for start in range(0, len(values), CHUNK):
        some = values[start : start + CHUNK]
        picture = np.repeat(_table(int(size))[None], len(some), axis=0)
        _paint(picture, some, BLOCK, AGENT)
        pictures[start : start + CHUNK] = np.rint(picture)
    return pictures


def draw_episode(state: ArrayLike, goal: ArrayLike) -> NDArray[np.uint8]:
    """Draw a state over its goal.

    Args:
        state: see `draw`, ``(11,)``.
        goal: see `draw`, ``(6,)`` or ``(4,)``.

    Returns:
        RGB picture, ``(SIZE, SIZE, 3)``.
    """
    picture = _table(SIZE)[None].copy()
    _paint(picture, np.asarray(goal, np.float32)[None], GOAL_BLOCK, GOAL_AGENT)
    _paint(picture, np.asarray(state, np.float32)[None], BLOCK, AGENT)
    return np.rint(picture[0]).astype(np.uint8)


def _paint(pictures: Floats, rows: Floats, block: Colour, agent: Colour) -> None:
    """Paint each row's block, and its agent where there is one, into its picture."""
    place = _places(pictures.shape[1])
    pixel = np.float32(BOARD / pictures.shape[1])  # px of the board
    pose = rows[:, -4:] if rows.shape[1] == 4 else rows[:, 2:6]
    x, y, cos, sin = (column[:, None, None] for column in pose.T)
    dx, dy = place[None, None, :] - x, place[None, :, None] - y
    across, down = cos * dx + sin * dy, cos * dy - sin * dx
    distance = np.minimum(*(_outside(across, down, part) for part in geometry.SOLID))
    _blend(pictures, distance / pixel, block)
    if rows.shape[1] > 4:
        dx, dy = place[None, :] - rows[:, 0, None], place[None, :] - rows[:, 1, None]
        distance = np.sqrt((dx * dx)[:, None, :] + (dy * dy)[:, :, None]) - np.float32(AGENT_RADIUS)
        _blend(pictures, distance / pixel, agent)


def _blend(pictures: Floats, distance: NDArray, colour: Colour) -> None:
    """Paint pixels at distances below 0, and half-paint those at 0."""
    cover = np.clip(np.float32(0.5) - distance, np.float32(0), np.float32(1))[..., None]
    pictures += cover * (np.array(colour, np.float32) - pictures)


def _outside(x: Floats, y: Floats, sides: geometry.Rectangle) -> Floats:
    """Return the distances of points from a rectangle, negative inside."""
    left, right, top, bottom = (np.float32(side) for side in sides)
    across, down = np.maximum(left - x, x - right), np.maximum(top - y, y - bottom)
    zero = np.float32(0)
    out_x, out_y = np.maximum(across, zero), np.maximum(down, zero)
    return np.sqrt(out_x * out_x + out_y * out_y) + np.minimum(np.maximum(across, down), zero)


def _places(size: int) -> Floats:
    """Return the places on the board of the middles of a picture's columns, or rows."""
    return ((np.arange(size) + 0.5) * (BOARD / size)).astype(np.float32)


@lru_cache(maxsize=32)
def _table(size: int) -> Floats:
    """Draw the empty table, ``(size, size, 3)``."""
    place, pixel = _places(size), BOARD / size
    inside = np.clip(0.5 + np.minimum(place - geometry.LOW, geometry.HIGH - place) / pixel, 0.0, 1.0)
    cover = (inside[:, None] * inside[None, :])[..., None]
    picture = np.array(WALL, np.float32) + cover * (np.array(TABLE, np.float32) - np.array(WALL, np.float32))
    picture = picture.astype(np.float32)
    picture.flags.writeable = False
    return picture
