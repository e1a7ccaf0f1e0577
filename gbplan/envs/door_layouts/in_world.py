"""The part that the single and the vector environment share: distances, rendering, tasks, one step of dynamics."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gbplan.envs.arguments import world_of
from gbplan.envs.door_layouts.expert import DoorLayoutsExpert
from gbplan.envs.door_layouts.tasks import check_goals, check_states, draw_task
from gbplan.envs.door_layouts.world import ENV_ID, World, from_the_door
from gbplan.envs.door_wall.contact import slide
from gbplan.envs.door_wall.in_world import way_around
from gbplan.envs.door_wall.rendering import room
from gbplan.envs.native_vector import Bools
from gbplan.envs.planar import Scene, draw_episode, draw_states
from gbplan.envs.reach_position import ReachPosition
from gbplan.envs.segments import Task
from gbplan.envs.simulated import Floats, Observation, Row, Simulated


class InWorld(ReachPosition, Simulated):
    """DoorLayouts' rules as a mixin; all public methods work over leading axes."""

    env_id = ENV_ID
    world: World

    def shortest_path(self, state: ArrayLike, goal: ArrayLike) -> Any:
        """Return the lengths of the shortest paths around the wall, ``(...)``, of states and goals ``(..., 4)``."""
        return way_around(self.world.around_the_door, from_the_door(state), from_the_door(goal))

    def render_state(self, states: ArrayLike, size: int = 64) -> NDArray[np.uint8]:
        """Return pictures of states ``(N, 4)``, ``(N, size, size, 3)``: walls, door and agent, drawn as in DoorWall.

        Args:
            states: states, each with its own layout.
            size: pixels along an edge, at least 8.

        Raises:
            ValueError: states or size are something else.
        """
        states = np.asarray(states, np.float64)
        if states.ndim != 2 or states.shape[1] != 4:
            raise ValueError(f"states to draw must have shape (N, 4), got {states.shape}")
        layouts, which = np.unique(states[:, 2:], axis=0, return_inverse=True)
        pictures = np.empty((len(states), size, size, 3), np.uint8)
        for index, layout in enumerate(layouts):
            rows = which.reshape(-1) == index
            pictures[rows] = draw_states(self._scene(layout), states[rows], size)
        return pictures

    def render_goal(self, goals: ArrayLike, size: int = 64) -> NDArray[np.uint8]:
        """Return pictures of the agent at goals ``(N, 4)``, drawn by `render_state`."""
        return self.render_state(goals, size)

    def expert(self, action_noise: float = 0.0) -> DoorLayoutsExpert:
        """Return the expert.

        Args:
            action_noise: standard deviation of the Gaussian added to each action before clipping, in action units.
        """
        return DoorLayoutsExpert(action_noise).in_world(self.world)

    def _make(self, arguments: dict[str, Any]) -> None:
        self.world = world_of(World, ENV_ID, arguments)

    def _check_states(self, given: Any, mask: Bools | None = None) -> Floats:
        return check_states(self.world, given, mask)

    def _check_goals(self, given: Any, mask: Bools | None = None) -> Floats:
        return check_goals(given, mask)

    def _task(self, key: int, state: Floats | None, goal: Floats | None) -> Task:
        return draw_task(self.world, key, state, goal)

    def _advance(self, state: Floats, action: Floats) -> tuple[Floats, bool]:
        (x, y, wall, door), (dx, dy) = state.tolist(), (self.world.step_size * action).tolist()
        half = self.world.door_half_width
        x, y, hit_x, hit_y = slide(x, y, dx, dy, door - half, door + half, wall)
        return np.array([x, y, wall, door], np.float32).astype(np.float64), hit_x or hit_y

    def _observed(self, states: Floats, goals: Floats) -> Observation:
        observed = states.astype(np.float32)
        desired = goals.astype(np.float32)
        return {"observation": observed, "achieved_goal": observed.copy(), "desired_goal": desired}

    def _drawn(self, row: Row) -> NDArray[np.uint8]:
        place, goal = ((float(at[0]), float(at[1])) for at in (row.state, row.goal))
        return draw_episode(self._scene(row.state[2:]), [place], goal, self.world.goal_threshold)

    def _scene(self, layout: Floats) -> Scene:
        wall, door = layout.tolist()
        return room(door - self.world.door_half_width, door + self.world.door_half_width, wall)
