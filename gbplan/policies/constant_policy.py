"""A policy that repeats one action."""

from collections.abc import Sequence

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from gbplan.envs.policy import Observation, Policy
from gbplan.policies.action_bounds import action_bounds


class ConstantPolicy(Policy):
    """Repeats one action: a baseline that shows how many tasks succeed without any control."""

    def __init__(self, action: Sequence[float]) -> None:
        """Choose the action.

        Args:
            action: the action, A numbers within the environment's bounds.
        """
        self.action = list(action)

    def reset(self, envs: gym.vector.VectorEnv, seeds: Sequence[int]) -> None:
        """Begin one episode per row; see ``Policy``.

        Raises:
            ValueError: the action does not fit the environment's action space.
        """
        low, high = action_bounds(envs)
        action = np.asarray(self.action, dtype=np.float32)
        if action.shape != low.shape or not ((low <= action) & (action <= high)).all():
            raise ValueError(f"action must lie in {envs.single_action_space}, got {self.action}")
        self._actions = np.tile(action, (len(seeds), 1))

    def act(self, observation: Observation, active: NDArray[np.bool_] | None = None) -> NDArray[np.float32]:
        """Choose the next action of each row; see ``Policy``."""
        return self._actions.copy()
