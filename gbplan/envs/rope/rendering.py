"""Pictures of the table from above: batches of ropes, and one rope over its goal.

Edges are antialiased over one pixel, so pixels change smoothly with the state.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gbplan.envs.planar import AGENT, BACKGROUND, SIZE, Scene, as_segments, empty, paint_near
from gbplan.envs.rope.states import GOAL_SIZE, NODES, REACH, ROPE_RADIUS, TIP_RADIUS

VIEW = REACH + 0.1  # half the width of the view, m
CHUNK = 16  # pictures at once; the distances of their pixels from links fit a processor's cache

ROPE = (190, 120, 50)
GOAL_ROPE = (235, 170, 165)

SCENE = Scene(view=VIEW, agent_radius=TIP_RADIUS, ground=BACKGROUND, layers=())

Floats = NDArray[np.float32]


def draw(shapes: ArrayLike, tips: ArrayLike | None, size: int = 64) -> NDArray[np.uint8]:
    """Draw ropes, with or without tips.

    Args:
        shapes: x and y of the nodes, ``(N, 42)`` or ``(N, 21, 2)``, m.
        tips: x and y of the tips, ``(N, 2)``, m; None: none.
        size: pixels along an edge of a picture, at least 8.

    Returns:
        RGB pictures, ``(N, size, size, 3)``, y upwards.

    Raises:
        ValueError: shapes or size are something else.
    """
    values = np.asarray(shapes, np.float32)
    if values.ndim not in (2, 3) or values[:1].size not in (0, GOAL_SIZE):
        raise ValueError(f"shapes to draw must have shape (N, {GOAL_SIZE}), got {values.shape}")
    if not isinstance(size, int | np.integer) or size < 8:
        raise ValueError(f"size must be a whole number of pixels, at least 8, got {size!r}")
    ropes = values.reshape(-1, NODES, 2)
    pictures = np.empty((len(ropes), size, size, 3), np.uint8)
    for start in range(0, len(ropes), CHUNK):
        some = ropes[start : start + CHUNK]
        picture = np.repeat(empty(SCENE, int(size))[None], len(some), axis=0)
        paint_near(SCENE, picture, _links(some), ROPE_RADIUS, ROPE)
        if tips is not None:
            places = np.asarray(tips, np.float32)[start : start + CHUNK, None]
            paint_near(SCENE, picture, as_segments(places), TIP_RADIUS, AGENT)
        pictures[start : start + CHUNK] = np.rint(picture)
    return pictures


def draw_episode(shape: ArrayLike, tip: ArrayLike, goal: ArrayLike) -> NDArray[np.uint8]:
    """Draw a rope ``(21, 2)`` and a tip ``(2,)`` over a goal ``(42,)``, ``(SIZE, SIZE, 3)``."""
    picture = empty(SCENE, SIZE)[None].copy()
    aim, rope = (np.asarray(each, np.float32).reshape(1, NODES, 2) for each in (goal, shape))
    paint_near(SCENE, picture, _links(aim), ROPE_RADIUS, GOAL_ROPE)
    paint_near(SCENE, picture, _links(rope), ROPE_RADIUS, ROPE)
    paint_near(SCENE, picture, as_segments(np.asarray(tip, np.float32).reshape(1, 1, 2)), TIP_RADIUS, AGENT)
    return np.rint(picture[0]).astype(np.uint8)


def _links(ropes: Floats) -> Floats:
    """Return the links of ropes ``(N, 21, 2)`` as segments, ``(N, 20, 2, 2)``."""
    return np.stack([ropes[:, :-1], ropes[:, 1:]], axis=2)
