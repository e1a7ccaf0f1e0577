"""Pictures of the maze, seen from above: see :mod:`gbplan.envs.planar`."""

from functools import lru_cache

from gbplan.envs.planar import BACKGROUND, WALL, Scene
from gbplan.envs.point_maze.maze import maze_of

AGENT_RADIUS = 0.2  # as gymnasium-robotics shows the ball, twice its size


@lru_cache
def scene_of(maze: str) -> Scene:
    """Return a maze: free cells on a ground of wall, of which there is more above and below one that is not square."""
    geometry = maze_of(maze)
    cells = tuple(((x - 0.5, x + 0.5), (y - 0.5, y + 0.5)) for x, y in geometry.centers[geometry.free].tolist())
    return Scene(float(geometry.half_size.max()), AGENT_RADIUS, WALL, ((BACKGROUND, cells),))
