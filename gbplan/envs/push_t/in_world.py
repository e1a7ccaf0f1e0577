"""Methods of PushT that need no episode, shared by both forms: rewards, pictures, the expert."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gbplan.envs.push_t import geometry, states
from gbplan.envs.push_t.rendering import draw
from gbplan.envs.push_t.tasks import drawn_task
from gbplan.envs.push_t.world import ALIGNED, NEAR, World
from gbplan.envs.segments import SegmentExpert


class InWorld:
    """All methods accept leading axes; goals have G = 6 numbers, or 4 if only the block counts."""

    world: World

    def compute_reward(self, achieved_goal: ArrayLike, desired_goal: ArrayLike, info: Any = None) -> Any:
        """Return the reward for being at ``achieved_goal``, as `step` returns it.

        Args:
            achieved_goal: achieved goals, ``(..., G)``.
            desired_goal: desired goals, ``(..., G)``.
            info: not used; part of the goal-conditioned interface.

        Returns:
            Rewards, ``(...)``.
        """
        if self.world.reward_type == "dense":
            distance, angle = states.errors(achieved_goal, desired_goal)
            return -np.maximum(distance / NEAR, angle / ALIGNED)[()]
        return np.where(self.compute_success(achieved_goal, desired_goal), 0.0, -1.0)[()]

    def compute_terminated(self, achieved_goal: ArrayLike, desired_goal: ArrayLike, info: Any = None) -> Any:
        """Return whether being at ``achieved_goal`` ends the episode, ``(...)``."""
        return np.logical_and(self.compute_success(achieved_goal, desired_goal), not self.world.continuing_task)

    def compute_truncated(self, achieved_goal: ArrayLike, desired_goal: ArrayLike, info: Any = None) -> Any:
        """Return False, ``(...)``: only the time limit truncates an episode."""
        return np.zeros_like(self.compute_success(achieved_goal, desired_goal))

    def compute_success(self, achieved: ArrayLike, desired: ArrayLike) -> Any:
        """Return whether goals are reached, ``(..., G)`` each, as in ``info["is_success"]``, ``(...)``."""
        distance, angle = states.errors(achieved, desired)
        return np.logical_and(distance < NEAR, angle < ALIGNED)

    def render_state(self, states: ArrayLike, size: int = 64) -> NDArray[np.uint8]:
        """Return pictures of states ``(N, 11)``, ``(N, size, size, 3)``: table, block and agent, and no goal.

        Args:
            states: states; only their first six numbers matter.
            size: pixels along an edge, at least 8.
        """
        return draw(states, size)

    def render_goal(self, goals: ArrayLike, size: int = 64) -> NDArray[np.uint8]:
        """Return pictures of goals ``(N, G)``, reached, likewise; without an agent, if only the block counts."""
        return draw(goals, size)

    def background(self) -> NDArray[np.float64]:
        """Return the faces of the walls as pairs of end points, ``(4, 2, 2)``."""
        low, high = geometry.LOW, geometry.HIGH
        corners = [(low, low), (high, low), (high, high), (low, high)]
        return np.array(list(zip(corners, corners[1:] + corners[:1], strict=True)))

    @property
    def expert(self) -> Callable[..., SegmentExpert] | None:
        """The method that returns the expert, with ``action_noise``; None where tasks are poses."""
        return self._expert if self.world.task == "segment" else None

    def _expert(self, action_noise: float = 0.0) -> SegmentExpert:
        return SegmentExpert(action_noise).in_world(self.world)

    def _judge(self, state: Sequence[float], goal: Sequence[float], contact: bool) -> tuple[float, dict[str, Any]]:
        """Return reward and info of a state."""
        errors = states.errors(state[self._part], goal)
        distance, angle = float(errors[0]), float(errors[1])
        success = distance < NEAR and angle < ALIGNED
        info = {
            "is_success": success,
            "position_error": distance,
            "angle_error": angle,
            "coverage": geometry.coverage(state[states.BLOCK], goal[-4:]),
            "contact": contact,
        }
        if self.world.reward_type == "dense":
            return -max(distance / NEAR, angle / ALIGNED), info
        return 0.0 if success else -1.0, info

    @property
    def _part(self) -> slice:
        """The numbers of a state that are compared with a goal."""
        return states.goal_part(self.world.success)

    def _segment(self, key: int, start: Sequence[float], goal: Sequence[float]) -> NDArray[np.float32] | None:
        """Return the actions of a task, ``(T, 2)``; None if it is not the segment that is drawn for this key."""
        if self.world.task != "segment":
            return None
        task = drawn_task(self.world, key)
        if task.actions is None or (task.state, task.goal) != (tuple(start), tuple(goal)):
            return None
        return task.actions.copy()
