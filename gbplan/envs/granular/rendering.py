"""Pictures of the table from above: batches of discs, and discs over their goal."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gbplan.envs.granular.states import DISC_RADIUS, DISCS, REACH, SIZE
from gbplan.envs.planar import BACKGROUND, Scene, as_segments, empty, paint_near
from gbplan.envs.planar import SIZE as EPISODE

CHUNK = 16  # pictures at once; the distances of their pixels from discs fit a processor's cache

DISC = (190, 120, 50)
GOAL_DISC = (235, 170, 165)

SCENE = Scene(view=REACH + 0.1, agent_radius=DISC_RADIUS, ground=BACKGROUND, layers=())


def draw(discs: ArrayLike, size: int = 64) -> NDArray[np.uint8]:
    """Draw discs, whose edges are antialiased over one pixel, so that pixels change smoothly with the state.

    Args:
        discs: x and y of the discs, ``(N, 60)``, m.
        size: pixels along an edge of a picture, at least 8.

    Returns:
        RGB pictures, ``(N, size, size, 3)``, y upwards.

    Raises:
        ValueError: discs or size are something else.
    """
    values = np.asarray(discs, np.float32)
    if values.ndim != 2 or values.shape[1] != SIZE:
        raise ValueError(f"discs to draw must have shape (N, {SIZE}), got {values.shape}")
    if not isinstance(size, int | np.integer) or size < 8:
        raise ValueError(f"size must be a whole number of pixels, at least 8, got {size!r}")
    pictures = np.empty((len(values), size, size, 3), np.uint8)
    for start in range(0, len(values), CHUNK):
        some = as_segments(values[start : start + CHUNK].reshape(-1, DISCS, 2))
        picture = np.repeat(empty(SCENE, int(size))[None], len(some), axis=0)
        paint_near(SCENE, picture, some, DISC_RADIUS, DISC)
        pictures[start : start + CHUNK] = np.rint(picture)
    return pictures


def draw_episode(state: ArrayLike, goal: ArrayLike) -> NDArray[np.uint8]:
    """Draw discs ``(60,)`` over their goal ``(60,)``, ``(256, 256, 3)``."""
    picture = empty(SCENE, EPISODE)[None].copy()
    for discs, colour in ((goal, GOAL_DISC), (state, DISC)):
        paint_near(SCENE, picture, as_segments(np.asarray(discs, np.float32).reshape(1, DISCS, 2)), DISC_RADIUS, colour)
    return np.rint(picture[0]).astype(np.uint8)
