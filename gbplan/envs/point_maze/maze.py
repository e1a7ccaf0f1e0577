"""The mazes of ``gbplan/PointMaze-v0``: their cells and walls, and geometry of positions in them."""

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

# The mazes of D4RL and gymnasium-robotics; a test compares them with the latter's.
LAYOUTS = {
    "umaze": ["#####", "#...#", "###.#", "#...#", "#####"],
    "medium": ["########", "#..##..#", "#..#...#", "##...###", "#..#...#", "#.#..#.#", "#...#..#", "########"],
    "large": [
        "############",
        "#....#.....#",
        "#.##.#.#.#.#",
        "#......#...#",
        "#.####.###.#",
        "#..#.#.....#",
        "##.#.#.#.###",
        "#..#...#...#",
        "############",
    ],
}


@lru_cache
def maze_of(name: str) -> "Maze":
    """Return a maze of ``LAYOUTS`` by its name, made once."""
    return Maze(LAYOUTS[name])


class Maze:
    """A grid of cells, 1 u wide, whose middle is the origin; x points right, y up, and rows count from the top.

    Attributes:
        wall: which cells are walls, ``(rows, columns)``; all on the border are.
        half_size: half the width and half the height, u, ``(2,)``.
        centers: middles of all cells, row by row, ``(C, 2)``.
        walls: middles of the cells that are walls, ``(W, 2)``.
        free: numbers of the other cells, ``(C - W,)``.
        towards: the next cell on a shortest path from one cell to another, ``(C, C)``; paths lead from free cells to
            free cells beside them. Rows and columns of walls have no meaning.
    """

    def __init__(self, layout: list[str]) -> None:
        """Read a maze.

        Args:
            layout: its rows, top first; ``#`` is wall.
        """
        self.wall = np.array([[sign == "#" for sign in row] for row in layout])
        rows, columns = self.wall.shape
        self.half_size = np.array([columns, rows]) / 2
        row, column = np.divmod(np.arange(rows * columns), columns)
        self.centers = np.stack([column + 0.5, rows - row - 0.5], axis=-1) - self.half_size
        is_wall = self.wall.ravel()
        self.walls = self.centers[is_wall]
        self.free = np.flatnonzero(~is_wall)

        beside = np.abs(self.centers[:, None] - self.centers).sum(axis=-1) == 1.0
        beside &= ~is_wall[:, None] & ~is_wall
        steps = all_pairs(np.where(beside, 1.0, np.inf))
        # The neighbour that is nearest to the goal; in the goal's own cell, that cell.
        self.towards = np.where(beside[:, :, None], steps, np.inf).argmin(axis=1)
        np.fill_diagonal(self.towards, np.arange(len(self.centers)))

    def cells(self, positions: ArrayLike) -> NDArray[np.int64]:
        """Return the numbers of the cells that contain positions ``(..., 2)``, ``(...)``; outside, of the nearest."""
        rows, columns = self.wall.shape
        across = np.asarray(positions, np.float64) + self.half_size
        column = np.clip(np.floor(across[..., 0]), 0, columns - 1)
        row = np.clip(np.floor(rows - across[..., 1]), 0, rows - 1)
        return (row * columns + column).astype(np.int64)

    def clearance(self, positions: ArrayLike) -> Floats:
        """Return how far positions ``(..., 2)`` are from the nearest wall, u, ``(...)``; 0 in a wall, and outside."""
        positions = np.asarray(positions, np.float64)
        away = np.maximum(np.abs(positions[..., None, :] - self.walls) - 0.5, 0.0)  # (..., W, 2)
        nearest = np.sqrt((away[..., 0] ** 2 + away[..., 1] ** 2).min(axis=-1))
        return np.where((np.abs(positions) < self.half_size).all(axis=-1), nearest, 0.0)

    def sees(self, start: ArrayLike, end: ArrayLike) -> NDArray[np.bool_]:
        """Return whether the straight lines between positions ``(..., 2)`` touch no wall, ``(...)``."""
        start, end = np.asarray(start, np.float64), np.asarray(end, np.float64)
        # A segment misses a square if one of three axes separates them: x, y, or the one across the segment.
        half = ((end - start) / 2)[..., None, :]
        middle = ((start + end) / 2)[..., None, :] - self.walls  # (..., W, 2)
        beside = (np.abs(middle) > 0.5 + np.abs(half)).any(axis=-1)
        across = np.abs(middle[..., 0] * half[..., 1] - middle[..., 1] * half[..., 0])
        return (beside | (across > 0.5 * np.abs(half).sum(axis=-1))).all(axis=-1)

    def edges(self) -> Floats:
        """Return the sides of walls that can be seen, as pairs of end points, ``(E, 2, 2)``."""
        found = []
        for cell in self.free:
            center = self.centers[cell]
            for out in np.array([[0.5, 0.0], [-0.5, 0.0], [0.0, 0.5], [0.0, -0.5]]):
                if self.clearance(center + 2 * out) == 0.0:
                    found.append([center + out - out[::-1], center + out + out[::-1]])
        return np.array(found)


def all_pairs(lengths: Floats) -> Floats:
    """Return the lengths of the shortest paths in a graph, by Floyd and Warshall.

    Args:
        lengths: lengths of the edges, ``(V, V)``, symmetric; infinite where there is no edge.

    Returns:
        Path lengths from each node to each, ``(V, V)``; 0 on the diagonal.
    """
    shortest = lengths.copy()
    np.fill_diagonal(shortest, 0.0)
    for via in range(len(shortest)):
        shortest = np.minimum(shortest, shortest[:, via, None] + shortest[via])
    return shortest
