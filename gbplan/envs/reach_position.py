"""Rewards, success and ends of environments whose goal is a position, or another point of a metric space."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike


class ReachPosition:
    """Reward, success and distance for positions and goals of G numbers. All methods accept leading axes.

    A subclass whose goals are not positions writes its own ``goal_distance``.
    """

    world: Any  # has reward_type ("sparse" or "dense"), goal_threshold (world units) and continuing_task (bool)

    def compute_reward(self, achieved_goal: ArrayLike, desired_goal: ArrayLike, info: Any = None) -> Any:
        """Return the reward for being at ``achieved_goal``, as `step` returns it.

        Args:
            achieved_goal: positions, ``(..., G)``.
            desired_goal: goals, ``(..., G)``.
            info: not used; part of the goal-conditioned interface.

        Returns:
            Rewards, ``(...)``: -1 or 0 (sparse), or minus the distance (dense).
        """
        if self.world.reward_type == "dense":
            return -self.goal_distance(achieved_goal, desired_goal)
        return np.where(self.compute_success(achieved_goal, desired_goal), 0.0, -1.0)[()]

    def compute_terminated(self, achieved_goal: ArrayLike, desired_goal: ArrayLike, info: Any = None) -> Any:
        """Return whether being at ``achieved_goal`` ends the episode, ``(...)``."""
        return np.logical_and(self.compute_success(achieved_goal, desired_goal), not self.world.continuing_task)

    def compute_truncated(self, achieved_goal: ArrayLike, desired_goal: ArrayLike, info: Any = None) -> Any:
        """Return False, ``(...)``: only the time limit truncates an episode."""
        return np.zeros_like(self.compute_success(achieved_goal, desired_goal))

    def goal_distance(self, achieved: ArrayLike, desired: ArrayLike) -> Any:
        """Return the Euclidean distance between positions ``(..., G)``, as ``info["distance"]`` has it, ``(...)``."""
        return distance_between(achieved, desired)

    def compute_success(self, achieved: ArrayLike, desired: ArrayLike) -> Any:
        """Return whether a position is at a goal, ``(..., G)`` each, as in ``info["is_success"]``, ``(...)``."""
        return self.goal_distance(achieved, desired) < self.world.goal_threshold


def distance_between(a: ArrayLike, b: ArrayLike) -> Any:
    """Return the Euclidean distances between positions, ``(..., G)`` each."""
    # Written out, without np.linalg.norm: the single environment computes the same with Python floats.
    difference = np.asarray(a, np.float64) - np.asarray(b, np.float64)
    squared = difference[..., 0] * difference[..., 0]
    for i in range(1, difference.shape[-1]):
        squared = squared + difference[..., i] * difference[..., i]
    return np.sqrt(squared)
