"""The interface of policies, which act in a vector environment."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

Observation = dict[str, NDArray[Any]]


class Policy(ABC):
    """Acts in all rows of a vector environment at once.

    A row is one episode. Its actions depend on its own observations and its own seed only, never on the other rows.
    Experts, random walks and planners are all policies, so any of them can collect data or be evaluated.
    """

    @abstractmethod
    def reset(self, envs: gym.vector.VectorEnv, seeds: Sequence[int]) -> None:
        """Begin one episode per row.

        Args:
            envs: the environment to act in, made but not necessarily reset; policies read its spaces and geometry.
            seeds: one seed per row, for the policy's own draws; independent of the environment's seeds.
        """

    @abstractmethod
    def act(self, observation: Observation, active: NDArray[np.bool_] | None = None) -> NDArray[np.float32]:
        """Choose the next action of each row.

        Args:
            observation: goal-conditioned observation, every entry ``(num_envs, ...)``.
            active: ``(num_envs,)``; False for finished rows, which may get any valid action. None: all are active.

        Returns:
            Actions in the action space's bounds and dtype, ``(num_envs, A)``.
        """
