"""Parts shared by both forms of FetchPush: the simulation, and methods that need no episode."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gbplan.envs.arguments import world_of
from gbplan.envs.fetch_push import states
from gbplan.envs.fetch_push.expert import FetchPushExpert
from gbplan.envs.fetch_push.physics import Physics
from gbplan.envs.fetch_push.rendering import Renderer
from gbplan.envs.fetch_push.tasks import draw_task
from gbplan.envs.fetch_push.world import ENV_ID, World
from gbplan.envs.native_vector import Bools
from gbplan.envs.reach_position import ReachPosition
from gbplan.envs.segments import Task
from gbplan.envs.simulated import Floats, Observation, Row, Simulated


class InWorld(ReachPosition, Simulated):
    """Methods shared by the single and the vector environment. All public ones accept leading axes."""

    env_id = ENV_ID
    world: World

    def render_state(self, states: ArrayLike, size: int = 64) -> NDArray[np.uint8]:
        """Return pictures of states ``(N, 43)``, ``(N, size, size, 3)``: robot, table and cube, and no goal.

        Args:
            states: whole states.
            size: pixels along an edge, at least 8.

        Raises:
            gymnasium.error.DependencyNotInstalled: MuJoCo cannot draw here.
            ValueError: states or size have another form.
        """
        return self._renderer.draw(self._physics, np.asarray(states, np.float64), size)

    def render_goal(self, goals: ArrayLike, size: int = 64) -> NDArray[np.uint8]:
        """Return pictures of goals ``(N, 3)``, ``(N, size, size, 3)``: the cube upright at the goal, and no robot.

        Args:
            goals: places of the cube's middle, m.
            size: pixels along an edge, at least 8.

        Raises:
            gymnasium.error.DependencyNotInstalled: MuJoCo cannot draw here.
            ValueError: goals or size have another form.
        """
        places = np.asarray(goals, np.float64)
        if places.ndim != 2 or places.shape[1] != 3:
            raise ValueError(f"goals to draw must have shape (N, 3), got {places.shape}")
        reached = states.with_cube_at(self._physics.start, places[:, :2])
        reached[:, states.CUBE] = places
        return self._renderer.draw(self._physics, reached, size, robot=False)

    def background(self) -> NDArray[np.float64]:
        """Return the table's edges, seen from above, as pairs of end points, ``(4, 2, 2)``."""
        (left, near), (right, far) = states.TABLE_LOW.tolist(), states.TABLE_HIGH.tolist()
        corners = [(left, near), (right, near), (right, far), (left, far)]
        return np.array(list(zip(corners, corners[1:] + corners[:1], strict=True)))

    def expert(self, action_noise: float = 0.0) -> FetchPushExpert:
        """Return the expert.

        Args:
            action_noise: standard deviation of the Gaussian added to each action before clipping, in action units.
        """
        return FetchPushExpert(action_noise).in_world(self.world)

    def _make(self, arguments: dict[str, Any]) -> None:
        self.world = world_of(World, ENV_ID, arguments)
        self._physics = Physics()
        self._renderer = Renderer()

    def _check_states(self, given: Any, mask: Bools | None = None) -> Floats:
        return states.check_states(given, self._physics.start, mask)

    def _check_goals(self, given: Any, mask: Bools | None = None) -> Floats:
        return states.check_goals(given, mask)

    def _task(self, key: int, state: Floats | None, goal: Floats | None) -> Task:
        return draw_task(self.world, self._physics.start, key, state, goal)

    def _advance(self, state: Floats, action: Floats) -> tuple[Floats, bool]:
        return self._physics.step(state, action)

    def _observed(self, states_: Floats, goals: Floats) -> Observation:
        observed = states_.astype(np.float32)
        return {
            "observation": observed,
            "features": self._physics.features(states_),
            "achieved_goal": observed[:, states.CUBE].copy(),
            "desired_goal": goals.astype(np.float32),
        }

    def _drawn(self, row: Row) -> NDArray[np.uint8]:
        return self._renderer.draw(self._physics, row.state[None], 256, row.goal)[0]
