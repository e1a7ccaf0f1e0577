"""Pictures of the maze, seen from above: see `planar`."""

from functools import lru_cache

from gbplan.envs.planar import BACKGROUND, WALL, Scene
from gbplan.envs.point_maze.maze import maze_of

AGENT_RADIUS = 0.2  # the ball at twice its size, as gymnasium-robotics draws it


@lru_cache
def scene_of(maze: str) -> Scene:
    """Return a maze: free cells on a ground of wall, which fills the square above and below a wide maze."""
    geometry = maze_of(maze)
    cells = tuple(((x - 0.5, x + 0.5), (y - 0.5, y + 0.5)) for x, y in geometry.centers[geometry.free].tolist())
    return Scene(float(geometry.half_size.max()), AGENT_RADIUS, WALL, ((BACKGROUND, cells),))
