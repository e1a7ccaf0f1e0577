"""The shortest paths through a maze, round the corners of its walls."""

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gbplan.envs.point_maze.maze import Maze, all_pairs, maze_of
from gbplan.envs.reach_position import distance_between

GAP = 1e-4  # u; distance of paths from corners, so that no path leads between walls that meet in a corner

Floats = NDArray[np.float64]


@lru_cache
def paths_of(name: str) -> "Paths":
    """Return the paths through a maze of ``LAYOUTS`` by its name, made once."""
    return Paths(maze_of(name))


class Paths:
    """The shortest paths of a point: straight lines that bend only at corners of walls."""

    def __init__(self, maze: Maze) -> None:
        """Find the corners and the paths between them."""
        self._maze = maze
        out = np.array([[1, 1], [1, -1], [-1, 1], [-1, -1]])
        corners = maze.walls[:, None] + (0.5 + GAP) * out  # (W, 4, 2)
        # A path bends only at a corner with one wall: the three other cells around it are free.
        steps = np.array([[1, 1], [1, 0], [0, 1]])
        around = maze.walls[:, None, None] + steps * out[:, None]  # (W, 4, 3, 2)
        self._corners = corners[(maze.clearance(around) > 0.0).all(axis=-1)]
        self._between = all_pairs(self._lengths(self._corners))

    def length(self, start: ArrayLike, end: ArrayLike) -> Floats:
        """Return the lengths of the shortest paths between positions ``(..., 2)``, ``(...)``; infinite without one."""
        start, end = np.asarray(start, np.float64), np.asarray(end, np.float64)
        ways = self._lengths(start)[..., :, None] + self._between + self._lengths(end)[..., None, :]
        straight = np.where(self._maze.sees(start, end), distance_between(start, end), np.inf)
        return np.minimum(straight, ways.min(axis=(-2, -1)))

    def _lengths(self, positions: Floats) -> Floats:
        """Return the lengths of straight lines from positions ``(..., 2)`` to the K corners, ``(..., K)``."""
        apart = positions[..., None, :]
        return np.where(self._maze.sees(apart, self._corners), distance_between(apart, self._corners), np.inf)
