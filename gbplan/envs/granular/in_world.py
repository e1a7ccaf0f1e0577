"""The part that the single and the vector environment share."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gbplan.envs.arguments import world_of
from gbplan.envs.granular.physics import Physics
from gbplan.envs.granular.rendering import draw, draw_episode
from gbplan.envs.granular.states import check_discs
from gbplan.envs.granular.tasks import GranularTasks
from gbplan.envs.granular.world import ENV_ID, World
from gbplan.envs.native_vector import Bools
from gbplan.envs.shapes import InShapeWorld
from gbplan.envs.simulated import Floats, Observation, Row


class InWorld(InShapeWorld):
    """Granular's rules as a mixin; all public methods work over leading axes."""

    env_id = ENV_ID
    world: World

    def render_state(self, states: ArrayLike, size: int = 64) -> NDArray[np.uint8]:
        """Return pictures of states ``(N, 60)``, ``(N, size, size, 3)``, without a goal.

        Args:
            states: x and y of the discs.
            size: pixels along an edge, at least 8.
        """
        return draw(states, size)

    def render_goal(self, goals: ArrayLike, size: int = 64) -> NDArray[np.uint8]:
        """Return pictures of discs that lie in goals ``(N, 60)``, ``(N, size, size, 3)``."""
        return draw(goals, size)

    def _make(self, arguments: dict[str, Any]) -> None:
        self.world = world_of(World, ENV_ID, arguments)
        self._physics = Physics(self.world.friction, self.world.damping)
        self._tasks = GranularTasks(self.world, self._physics)

    def _check_states(self, given: Any, mask: Bools | None = None) -> Floats:
        return check_discs("state", given, mask)

    def _check_goals(self, given: Any, mask: Bools | None = None) -> Floats:
        return check_discs("goal", given, mask)

    def _advance(self, state: Floats, action: Floats) -> tuple[Floats, bool]:
        return self._physics.push(state, action)

    def _observed(self, states: Floats, goals: Floats) -> Observation:
        observed = states.astype(np.float32)
        return {
            "observation": observed,
            "achieved_goal": observed.copy(),
            "desired_goal": goals.astype(np.float32),
        }

    def _drawn(self, row: Row) -> NDArray[np.uint8]:
        return draw_episode(row.state, row.goal)
