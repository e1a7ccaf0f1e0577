"""Methods that need no episode, shared by both forms of DoorWall-v0: the expert, paths, pictures, the simulator."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gbplan.envs.door_wall.contact import HALF_SIZE
from gbplan.envs.door_wall.expert import DoorWallExpert
from gbplan.envs.door_wall.rendering import scene_of
from gbplan.envs.door_wall.world import World, height_at_wall
from gbplan.envs.planar import draw_states
from gbplan.envs.reach_position import ReachPosition, distance_between

if TYPE_CHECKING:
    from gbplan.envs.door_wall.simulator import PerfectDoorWallModel


def way_around(world: World, start: NDArray[np.float64], end: NDArray[np.float64]) -> Any:
    """Return the length of the shortest path between positions ``(..., 2)`` that avoids the wall, ``(...)``."""
    height = np.clip(height_at_wall(start, end), world.door_low, world.door_high)
    door = np.stack([np.zeros_like(height), height], axis=-1)
    around = distance_between(start, door) + distance_between(door, end)
    return np.where(start[..., 0] * end[..., 0] < 0.0, around, distance_between(start, end))[()]


class InWorld(ReachPosition):
    """Methods shared by the single and the vector environment. All accept leading axes."""

    world: World

    def shortest_path(self, state: ArrayLike, goal: ArrayLike) -> Any:
        """Return the length of the shortest path that avoids the wall, ``(...)``.

        The path is straight where possible, and otherwise bends at an edge of the door. Skins are neglected.

        Args:
            state: states or positions, ``(..., 2)`` or ``(..., 4)``; only x and y matter.
            goal: goals, ``(..., 2)``.
        """
        start, end = np.asarray(state, np.float64)[..., :2], np.asarray(goal, np.float64)
        return way_around(self.world, start, end)

    def render_state(self, states: ArrayLike, size: int = 64) -> NDArray[np.uint8]:
        """Return pictures of states, ``(N, size, size, 3)``: walls, door and agent, neither trail nor goal.

        They equal the pictures of `render` without goal and trail, averaged down to ``size``.

        Args:
            states: states or positions, ``(N, 2)`` or ``(N, 4)``; only x and y matter.
            size: pixels along an edge, at least 8.
        """
        return draw_states(scene_of(self.world), states, size)

    def render_goal(self, goals: ArrayLike, size: int = 64) -> NDArray[np.uint8]:
        """Return pictures of the agent standing on goals ``(N, 2)``, as `render_state` draws them."""
        return draw_states(scene_of(self.world), goals, size)

    def background(self) -> NDArray[np.float64]:
        """Return the wall beside the door and the borders as pairs of end points, ``(6, 2, 2)``."""
        edge = HALF_SIZE
        corners = [(-edge, -edge), (edge, -edge), (edge, edge), (-edge, edge)]
        borders = list(zip(corners, corners[1:] + corners[:1], strict=True))
        wall = [((0.0, -edge), (0.0, self.world.door_low)), ((0.0, self.world.door_high), (0.0, edge))]
        return np.array(wall + borders, np.float64)

    def expert(self, action_noise: float = 0.0) -> DoorWallExpert:
        """Return the expert for this world's geometry and dynamics.

        Args:
            action_noise: standard deviation of the Gaussian added to each action before clipping, in action units.
        """
        return DoorWallExpert(action_noise).in_world(self.world)

    @property
    def simulator(self) -> Callable[[], PerfectDoorWallModel] | None:
        """The method that returns the true dynamics in torch, noise left out; None where contact does not slide."""
        return self._simulator if self.world.contact == "slide" else None

    def _simulator(self) -> PerfectDoorWallModel:
        # Imported here, because an environment alone needs no torch.
        from gbplan.envs.door_wall.simulator import PerfectDoorWallModel

        return PerfectDoorWallModel.of_world(self.world)
