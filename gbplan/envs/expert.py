"""What experts of any world share: noise on their actions, from a seed for each row."""

from abc import abstractmethod
from collections.abc import Sequence

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from gbplan.envs.policy import Observation, Policy
from gbplan.seeds import policy_generators

Floats = NDArray[np.float64]


class NoisyExpert(Policy):
    """Knows the best action of a world, in [-1, 1], and adds Gaussian noise to it."""

    def __init__(self, action_noise: float = 0.0) -> None:
        """Choose how clumsy the expert is.

        Args:
            action_noise: standard deviation of the Gaussian added to each action before clipping, in action units.

        Raises:
            ValueError: ``action_noise`` is negative or not finite.
        """
        if not 0.0 <= action_noise < np.inf:
            raise ValueError(f"action_noise must be a finite number >= 0, got {action_noise}")
        self.action_noise = action_noise
        self._generators: list[np.random.Generator] = []

    def reset(self, envs: gym.vector.VectorEnv, seeds: Sequence[int]) -> None:
        """Seed the action noise; see :meth:`Policy.reset`.

        Raises:
            ValueError: there is not one seed per row.
        """
        if len(seeds) != envs.num_envs:
            raise ValueError(f"expected one seed for each of {envs.num_envs} rows, got {len(seeds)} seeds")
        self._generators = policy_generators(seeds)

    def act(self, observation: Observation, active: NDArray[np.bool_] | None = None) -> NDArray[np.float32]:
        """Choose actions; see :meth:`Policy.act`.

        Args:
            observation: entries ``(..., size)``, with any leading axes, also none; with action noise ``(rows, size)``.
            active: rows that need an action, ``(rows,)``; only these draw noise.

        Returns:
            Actions, ``(..., A)``.

        Raises:
            RuntimeError: there is action noise, and the expert was not reset for these rows.
        """
        action = self._best(observation)
        if self.action_noise > 0.0:
            action = action + self.action_noise * self._noise(action.shape, active)
        return np.clip(action, -1.0, 1.0).astype(np.float32)

    @abstractmethod
    def _best(self, observation: Observation) -> Floats:
        """Return actions without noise, ``(..., A)``."""

    def _noise(self, shape: tuple[int, ...], active: NDArray[np.bool_] | None) -> Floats:
        if shape[:-1] != (len(self._generators),):
            raise RuntimeError(
                f"{type(self).__name__} with action noise was reset for {len(self._generators)} rows and got "
                f"observations of {shape[:-1]} rows; call reset(envs, seeds)"
            )
        noise = np.zeros(shape)
        for row in range(len(noise)) if active is None else np.flatnonzero(active):
            noise[row] = self._generators[row].standard_normal(shape[-1])
        return noise
