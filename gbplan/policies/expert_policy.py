"""The environment's own expert, as a policy."""

from collections.abc import Sequence

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from gbplan.envs.contract import name_of, optional_method
from gbplan.envs.policy import Observation, Policy


class ExpertPolicy(Policy):
    """Acts as the expert of the environment with which it is reset.

    The environment needs a method ``expert(action_noise) -> Policy``, see ``gbplan.envs.OptionalMethods``.
    """

    def __init__(self, action_noise: float = 0.0) -> None:
        """Set the noise.

        Args:
            action_noise: standard deviation of the noise on its actions, in action units, >= 0.

        Raises:
            ValueError: ``action_noise`` is negative.
        """
        if not action_noise >= 0:
            raise ValueError(f"action_noise must not be negative, got {action_noise}")
        self.action_noise = action_noise

    def reset(self, envs: gym.vector.VectorEnv, seeds: Sequence[int]) -> None:
        """Begin one episode per row; see ``Policy``.

        Raises:
            ValueError: the environment has no expert.
        """
        self._expert = self._find(envs)
        self._expert.reset(envs, seeds)

    def act(self, observation: Observation, active: NDArray[np.bool_] | None = None) -> NDArray[np.float32]:
        """Choose the next action of each row; see ``Policy``."""
        return self._expert.act(observation, active)

    def _find(self, envs: gym.vector.VectorEnv) -> Policy:
        factory = optional_method(envs, "expert")
        if factory is None:
            raise ValueError(
                f"{name_of(envs)} has no expert for these observations and actions; give its environment (or the "
                "wrapper that changes them) a method expert(action_noise) that returns a gbplan.envs.Policy, or use "
                "another policy"
            )
        expert = factory(self.action_noise)
        if not isinstance(expert, Policy):
            raise TypeError(f"expert(action_noise) must return a gbplan.envs.Policy, got {type(expert).__name__}")
        return expert
