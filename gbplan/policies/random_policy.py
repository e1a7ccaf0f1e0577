"""Uniformly random actions."""

from collections.abc import Sequence

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from gbplan.envs.policy import Observation, Policy
from gbplan.policies.action_bounds import action_bounds


class RandomPolicy(Policy):
    """Draws each action uniformly from the action box, with one generator per row."""

    def reset(self, envs: gym.vector.VectorEnv, seeds: Sequence[int]) -> None:
        """Begin one episode per row; see ``Policy``."""
        self._low, self._high = action_bounds(envs)
        self._generators = [np.random.default_rng(seed) for seed in seeds]

    def act(self, observation: Observation, active: NDArray[np.bool_] | None = None) -> NDArray[np.float32]:
        """Choose the next action of each row; see ``Policy``."""
        return np.stack([rng.uniform(self._low, self._high) for rng in self._generators]).astype(np.float32)
