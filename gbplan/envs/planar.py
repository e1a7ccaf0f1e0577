"""Pictures of planar worlds, seen from above: of many states at once, and of one agent's episode.

Everything is antialiased: rectangles are covered exactly, and a disc's edge is one pixel of the 256-pixel picture wide,
so that the agent's pixels change smoothly with its position.

Pictures of sizes that divide 256 (8, 16, 32, 64, 128) are that picture averaged down, to within one of 255 steps. Other
sizes, such as 84 or 96, are averaged down from their largest multiple up to 256, and those above 256 are drawn
directly, with an edge of the disc one drawn pixel wide.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike, NDArray

SIZE = 256  # pixels of an episode's picture

CHUNK = 256  # pictures at once; their pixels fit a processor's cache

BACKGROUND = (250, 250, 247)
WALL = (52, 58, 64)
TRAIL = (120, 160, 220)
AGENT = (25, 90, 190)
GOAL = (215, 60, 50)
START = (150, 150, 150)

Point = tuple[float, float]
Colour = tuple[int, int, int]
Rectangle = tuple[Point, Point]  # range in x, range in y
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Scene:
    """A world without its agent: rectangles on a square of one colour, whose middle is the origin.

    Attributes:
        view: half the width of the view, world units.
        agent_radius: radius of the agent's disc, world units.
        ground: the colour of the square.
        layers: layers of paint, in order: a colour, and rectangles that do not overlap.
    """

    view: float
    agent_radius: float
    ground: Colour
    layers: tuple[tuple[Colour, tuple[Rectangle, ...]], ...]


def draw_states(scene: Scene, positions: ArrayLike, size: int = 64) -> NDArray[np.uint8]:
    """Draw the scene with an agent in it, and no goal, for each position.

    Args:
        scene: the world.
        positions: x and y of the agent, world units; further columns (velocities) are ignored, ``(N, >= 2)``.
        size: pixels along an edge of a picture, at least 8; see the module for those that do not divide 256.

    Returns:
        RGB pictures, y upwards, ``(N, size, size, 3)``.

    Raises:
        ValueError: positions or size have another form.
    """
    positions = np.asarray(positions, np.float32)
    if positions.ndim != 2 or positions.shape[1] < 2:
        raise ValueError(f"states to draw must have shape (N, 2) or (N, 4), got {positions.shape}")
    if not isinstance(size, int | np.integer) or size < 8:
        raise ValueError(f"size must be a whole number of pixels, at least 8, got {size!r}")
    return _with_agents(scene, _backdrop_of(scene, int(size)), positions[:, :2])


def draw_episode(scene: Scene, trail: Sequence[Point], goal: Point, goal_radius: float) -> NDArray[np.uint8]:
    """Draw one agent's episode: the picture of its state, with start, trail and goal behind the agent.

    Args:
        scene: the world.
        trail: positions so far, in world units; the agent stands at the last one.
        goal: position of the goal, in world units.
        goal_radius: radius of the goal region, in world units.

    Returns:
        RGB picture, ``(SIZE, SIZE, 3)``, y upwards.
    """
    picture = empty(scene, SIZE).copy()
    unit = 2 * scene.view / SIZE  # world units of one pixel
    _line(picture, scene, goal, goal, goal_radius, tuple(int(0.5 * c + 127) for c in GOAL))
    _line(picture, scene, goal, goal, 2.5 * unit, GOAL)
    for a, b in pairwise(trail):
        _line(picture, scene, a, b, unit, TRAIL)
    _line(picture, scene, trail[0], trail[0], 2.5 * unit, START)
    return _with_agents(scene, _backdrop(picture, 1), np.asarray(trail[-1:], np.float32))[0]


@lru_cache(maxsize=32)
def empty(scene: Scene, size: int) -> Floats:
    """Draw the scene without agent, ``(size, size, 3)``."""
    edges = np.linspace(-scene.view, scene.view, size + 1)

    def covered(low: float, high: float) -> Floats:
        inside = np.clip(edges, low, high)
        return ((inside[1:] - inside[:-1]) * (size / (2 * scene.view))).astype(np.float32)

    picture = np.empty((size, size, 3), np.float32)
    picture[:] = scene.ground
    for colour, rectangles in scene.layers:
        # Summed first, so that rectangles side by side show no seam.
        cover = np.zeros((size, size, 1), np.float32)
        for x, y in rectangles:
            cover += covered(*y)[::-1, None, None] * covered(*x)[None, :, None]
        picture += cover * (np.array(colour, np.float32) - picture)
    picture.flags.writeable = False
    return picture


class _Backdrop(NamedTuple):
    """The background behind the agent, prepared for painting.

    Attributes:
        picture: averaged down to a picture's size, ``(size, size, 3)``.
        change: what the agent's colour would add to each fine pixel, ``(3, fine * size, fine * size)``.
        fine: fine pixels along an edge of a pixel.
    """

    picture: Floats
    change: Floats
    fine: int


@lru_cache(maxsize=128)  # more than there are layouts of a world; 0.8 MB each
def _backdrop_of(scene: Scene, size: int) -> _Backdrop:
    """Prepare the empty scene, once for each world and size."""
    fine = max(1, SIZE // size)
    return _backdrop(empty(scene, fine * size), fine)


def _backdrop(under: Floats, fine: int) -> _Backdrop:
    channels = np.ascontiguousarray(np.moveaxis(under, -1, 0))
    change = np.array(AGENT, np.float32)[:, None, None] - channels
    return _Backdrop(np.ascontiguousarray(np.moveaxis(_averaged(channels, fine), 0, -1)), change, fine)


def _with_agents(scene: Scene, behind: _Backdrop, positions: Floats) -> NDArray[np.uint8]:
    """Return pictures of a backdrop with the agent's disc painted at each position, ``(N, size, size, 3)``."""
    pictures = np.empty((len(positions), *behind.picture.shape), np.uint8)
    pictures[:] = np.rint(behind.picture).astype(np.uint8)
    for start in range(0, len(positions), CHUNK):
        rows, columns, painted = _agents(scene, behind, positions[start : start + CHUNK])
        which = np.arange(start, start + len(painted))[:, None, None]
        pictures[which, rows[:, :, None], columns[:, None, :]] = np.rint(painted)
    return pictures


def _agents(scene: Scene, behind: _Backdrop, positions: Floats) -> tuple[NDArray[np.int64], NDArray[np.int64], Floats]:
    """Paint the few pixels that each agent reaches.

    Returns:
        Their rows and columns, ``(N, n)`` each, and their colours, ``(N, n, n, 3)``.
    """
    size, fine = len(behind.picture), behind.fine
    radius = scene.agent_radius * size * fine / (2 * scene.view)
    column, row = to_pixels(scene, positions[:, 0], positions[:, 1], size * fine)
    reach = int((2 * radius + 1) / fine) + 2
    # Only pixels inside the picture, for an agent half outside it.
    left, top = (
        np.clip(np.floor((middle - radius - 0.5) / fine).astype(np.int64), 0, size - reach) for middle in (column, row)
    )
    x, y = (
        (first * fine - middle)[:, None].astype(np.float32) + np.arange(reach * fine, dtype=np.float32)
        for first, middle in ((left, column), (top, row))
    )
    cover = cover_of(np.sqrt((x * x)[:, None, :] + (y * y)[:, :, None]), radius)
    patches = sliding_window_view(behind.change, (reach * fine, reach * fine), axis=(1, 2)).transpose(1, 2, 0, 3, 4)
    change = patches[top * fine, left * fine] * cover[:, None]
    rows, columns = top[:, None] + np.arange(reach), left[:, None] + np.arange(reach)
    painted = behind.picture[rows[:, :, None], columns[:, None, :]]
    return rows, columns, painted + np.moveaxis(_averaged(change, fine), 1, -1)


def _averaged(picture: Floats, fine: int) -> Floats:
    """Average squares of ``fine`` pixels, ``(..., fine * h, fine * w)`` to ``(..., h, w)``.

    Sums are written out: a picture must not depend, in its last bit, on the number of pictures drawn with it.
    """
    rows = picture[..., ::fine, :].copy()
    for i in range(1, fine):
        rows += picture[..., i::fine, :]
    both = rows[..., ::fine].copy()
    for i in range(1, fine):
        both += rows[..., i::fine]
    both /= fine**2
    return both


def _line(picture: Floats, scene: Scene, a: Point, b: Point, radius: float, colour: tuple[int, ...]) -> None:
    """Paint everything within ``radius`` world units of the segment from a to b, with smooth edges."""
    size = len(picture)
    radius *= size / (2 * scene.view)
    (ax, ay), (bx, by) = to_pixels(scene, *a, size), to_pixels(scene, *b, size)
    reach = radius + 1.0
    left, right = max(int(min(ax, bx) - reach), 0), min(int(max(ax, bx) + reach) + 2, size)
    top, bottom = max(int(min(ay, by) - reach), 0), min(int(max(ay, by) + reach) + 2, size)
    x, y = np.arange(left, right)[None, :], np.arange(top, bottom)[:, None]
    length2 = (bx - ax) ** 2 + (by - ay) ** 2
    along = ((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / length2 if length2 > 0.0 else 0.0
    along = np.clip(along, 0.0, 1.0)
    distance = np.hypot(x - ax - along * (bx - ax), y - ay - along * (by - ay))
    window = picture[top:bottom, left:right]
    window += cover_of(distance, radius)[:, :, None] * (np.array(colour, np.float32) - window)


def paint_near(scene: Scene, pictures: Floats, segments: Floats, radius: float, colour: Colour) -> None:
    """Paint everything within ``radius``, world units, of segments ``(N, L, 2, 2)``, L in each picture.

    They are painted at the size of the pictures ``(N, size, size, 3)``, where their edges fade over one pixel.
    """
    size = pictures.shape[1]
    x, y = to_pixels(scene, segments[..., 0], segments[..., 1], size)  # (N, L, 2) each
    place = np.arange(size, dtype=np.float32)
    squared = np.full(pictures.shape[:3], np.inf, np.float32)
    for (ax, bx), (ay, by) in zip(x.transpose(1, 2, 0), y.transpose(1, 2, 0), strict=True):
        dx, dy = place[None, None, :] - ax[:, None, None], place[None, :, None] - ay[:, None, None]
        wx, wy = (bx - ax)[:, None, None], (by - ay)[:, None, None]
        along = np.clip((dx * wx + dy * wy) / np.maximum(wx * wx + wy * wy, np.float32(1e-12)), 0, 1)
        ex, ey = dx - along * wx, dy - along * wy
        np.minimum(squared, ex * ex + ey * ey, out=squared)
    cover = cover_of(np.sqrt(squared), radius * size / (2 * scene.view))[..., None]
    pictures += cover * (np.array(colour, np.float32) - pictures)


def as_segments(points: Floats) -> Floats:
    """Return points ``(..., 2)`` as segments of no length, ``(..., 2, 2)``, for discs."""
    return np.stack([points, points], axis=-2)


def cover_of(distance: NDArray, radius: float) -> Floats:
    """Return how much of a pixel at this distance, pixels, a disc covers: 1 inside, fading over its edge to 0."""
    return np.clip(radius + 0.5 - distance, 0.0, 1.0).astype(np.float32)


def to_pixels(scene: Scene, x: Any, y: Any, size: int) -> tuple[Any, Any]:
    """Return the column and the row of a place, in pixels from the middle of the first pixel."""
    scale = size / (2 * scene.view)
    return (scene.view + x) * scale - 0.5, (scene.view - y) * scale - 0.5
