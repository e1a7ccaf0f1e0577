"""Base class of experts: access to the world, and noise on actions."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Generic, Self, TypeVar

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from gbplan.envs.contract import optional_method
from gbplan.envs.policy import Observation, Policy
from gbplan.seeds import policy_generators

W = TypeVar("W")

Floats = NDArray[np.float64]


class Expert(Policy, Generic[W]):
    """Computes the best action in a world W, in [-1, 1], and adds Gaussian noise to it.

    `reset` takes the world from the environment's own expert. A subclass writes ``_best``.
    """

    environment: ClassVar[str]  # the environment's name, for messages
    _world: W | None = None

    def __init__(self, action_noise: float = 0.0) -> None:
        """Set the noise.

        Args:
            action_noise: standard deviation of the Gaussian added to each action before clipping, in action units.

        Raises:
            ValueError: ``action_noise`` is negative or not finite.
        """
        if not 0.0 <= action_noise < np.inf:
            raise ValueError(f"action_noise must be a finite number >= 0, got {action_noise}")
        self.action_noise = action_noise
        self._generators: list[np.random.Generator] = []

    def in_world(self, world: W) -> Self:
        """Set the world and return the expert; without action noise no `reset` is needed."""
        self._world = world
        return self

    def reset(self, envs: gym.vector.VectorEnv, seeds: Sequence[int]) -> None:
        """Take the world of ``envs`` and seed the action noise; see `reset`.

        Raises:
            TypeError: ``envs`` has another expert, or none for its spaces.
            ValueError: the number of seeds is not the number of rows.
        """
        if len(seeds) != envs.num_envs:
            raise ValueError(f"expected one seed for each of {envs.num_envs} rows, got {len(seeds)} seeds")
        make = optional_method(envs, "expert")
        known: Any = None if make is None else make()
        if not isinstance(known, type(self)) or known._world is None:
            name = type(self).__name__
            raise TypeError(f"{name} needs a {self.environment} environment with its own spaces, got {envs}")
        self._world = known._world
        self._generators = policy_generators(seeds)

    def act(self, observation: Observation, active: NDArray[np.bool_] | None = None) -> NDArray[np.float32]:
        """Choose actions; see `act`.

        Args:
            observation: entries ``(..., size)``, with any leading axes, also none; with action noise ``(rows, size)``.
            active: rows that need an action, ``(rows,)``; only these draw noise.

        Returns:
            Actions, ``(..., A)``.

        Raises:
            RuntimeError: the expert has no world yet, or has action noise and was not reset for these rows.
        """
        if self._world is None:
            name = type(self).__name__
            raise RuntimeError(f"{name} has not been reset; call reset(envs, seeds), or use env.unwrapped.expert()")
        action = self._best(self._world, observation)
        if self.action_noise > 0.0:
            action = action + self.action_noise * self._noise(action.shape, active)
        return np.clip(action, -1.0, 1.0).astype(np.float32)

    @abstractmethod
    def _best(self, world: W, observation: Observation) -> Floats:
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
