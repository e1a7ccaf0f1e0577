"""The part that the single and the vector environment share: distances, rendering, tasks, one step of dynamics."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gbplan.envs.arguments import world_of
from gbplan.envs.native_vector import Bools
from gbplan.envs.rope import states
from gbplan.envs.rope.physics import Physics
from gbplan.envs.rope.rendering import draw, draw_episode
from gbplan.envs.rope.states import STATE_SIZE, TIP
from gbplan.envs.rope.tasks import RopeTasks
from gbplan.envs.rope.world import ENV_ID, World
from gbplan.envs.shapes import InShapeWorld
from gbplan.envs.simulated import Floats, Observation, Row


class InWorld(InShapeWorld):
    """Rope's rules as a mixin; all public methods work over leading axes."""

    env_id = ENV_ID
    world: World

    def render_state(self, states: ArrayLike, size: int = 64) -> NDArray[np.uint8]:
        """Return pictures of states ``(N, 150)``, ``(N, size, size, 3)``: rope and tip, no goal.

        Args:
            states: whole states; velocities do not show.
            size: pixels along an edge, at least 8.
        """
        rows = np.asarray(states, np.float64)
        if rows.ndim != 2 or rows.shape[1] != STATE_SIZE:
            raise ValueError(f"states to draw must have shape (N, {STATE_SIZE}), got {rows.shape}")
        return draw(self._physics.nodes(rows), rows[:, TIP], size)

    def render_goal(self, goals: ArrayLike, size: int = 64) -> NDArray[np.uint8]:
        """Return pictures of ropes in the shape of goals ``(N, 42)``, ``(N, size, size, 3)``, without a tip."""
        return draw(goals, None, size)

    def _make(self, arguments: dict[str, Any]) -> None:
        self.world = world_of(World, ENV_ID, arguments)
        self._physics = Physics()
        self._tasks = RopeTasks(self.world, self._physics)

    def _check_states(self, given: Any, mask: Bools | None = None) -> Floats:
        found = states.check_states(given, self.world.action == "push", mask)
        states.require_apart(self._physics.nodes(found), found, np.arange(1) if mask is None else np.flatnonzero(mask))
        return found

    def _check_goals(self, given: Any, mask: Bools | None = None) -> Floats:
        return states.check_goals(given, mask)

    def _advance(self, state: Floats, action: Floats) -> tuple[Floats, bool]:
        return (self._physics.push if self.world.action == "push" else self._physics.small)(state, action)

    def _observed(self, states_: Floats, goals: Floats) -> Observation:
        nodes = self._physics.nodes(states_).reshape(len(states_), -1).astype(np.float32)
        observed = states_.astype(np.float32)
        features = nodes.copy() if self.world.action == "push" else np.concatenate([nodes, observed[:, TIP]], axis=1)
        return {
            "observation": observed,
            "features": features,
            "achieved_goal": nodes,
            "desired_goal": goals.astype(np.float32),
        }

    def _drawn(self, row: Row) -> NDArray[np.uint8]:
        return draw_episode(self._physics.nodes(row.state[None])[0], row.state[TIP], row.goal)
