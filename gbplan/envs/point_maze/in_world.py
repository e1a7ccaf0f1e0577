"""Methods that need no episode, shared by both forms of PointMaze: the expert, paths, pictures."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gbplan.envs.planar import draw_states
from gbplan.envs.point_maze.expert import PointMazeExpert
from gbplan.envs.point_maze.paths import paths_of
from gbplan.envs.point_maze.rendering import scene_of
from gbplan.envs.point_maze.world import World
from gbplan.envs.reach_position import ReachPosition


class InWorld(ReachPosition):
    """Methods shared by the single and the vector environment. All accept leading axes."""

    world: World

    def shortest_path(self, state: ArrayLike, goal: ArrayLike) -> Any:
        """Return the length of the shortest path through the maze, u, ``(...)``; infinite if there is none.

        The path is straight where possible, and otherwise bends at corners of walls. The ball's radius is neglected, so
        no path is shorter.

        Args:
            state: states or positions, ``(..., 2)`` or ``(..., 4)``; only x and y matter.
            goal: goals, ``(..., 2)``.
        """
        return paths_of(self.world.maze).length(np.asarray(state)[..., :2], goal)[()]

    def render_state(self, states: ArrayLike, size: int = 64) -> NDArray[np.uint8]:
        """Return pictures of states, ``(N, size, size, 3)``: walls and ball, neither trail nor goal.

        They equal the pictures of `render` without goal and trail, averaged down to ``size``.

        Args:
            states: states or positions, ``(N, 2)`` or ``(N, 4)``; only x and y matter.
            size: pixels along an edge, at least 8.
        """
        return draw_states(scene_of(self.world.maze), states, size)

    def render_goal(self, goals: ArrayLike, size: int = 64) -> NDArray[np.uint8]:
        """Return pictures of the ball on goals ``(N, 2)``, as `render_state` draws them."""
        return draw_states(scene_of(self.world.maze), goals, size)

    def background(self) -> NDArray[np.float64]:
        """Return the sides of the walls as pairs of end points, ``(W, 2, 2)``."""
        return self.world.geometry.edges()

    def expert(self, action_noise: float = 0.0) -> PointMazeExpert:
        """Return the expert for this maze.

        Args:
            action_noise: standard deviation of the Gaussian added to each action before clipping, in action units.
        """
        return PointMazeExpert(action_noise).in_world(self.world.geometry)
