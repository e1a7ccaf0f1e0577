"""A policy that pushes discs at random: it collects training data, and its pushes define segment goals."""

from collections.abc import Sequence

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from gbplan import checks
from gbplan.envs.granular.states import DISCS, REACH, SIZE
from gbplan.envs.policy import Observation, Policy
from gbplan.envs.shapes import draw_push
from gbplan.seeds import policy_generators

BEFORE, THROUGH = (0.03, 0.1), (0.02, 0.2)  # ranges (m) of the distances from a disc to start and end of a push
NOISE = 0.05

Floats = NDArray[np.float64]


class GranularPusherPolicy(Policy):
    """Push random discs in random directions, mostly towards the middle of the table; ignore the goal."""

    def __init__(self, action_noise: float = NOISE) -> None:
        """Set the noise.

        Args:
            action_noise: standard deviation of the Gaussian added to each action before clipping, in action units.

        Raises:
            ValueError: the noise is outside its range.
        """
        checks.not_negative(action_noise=action_noise)
        self.action_noise = action_noise
        self._generators: list[np.random.Generator] = []

    def reset(self, envs: gym.vector.VectorEnv, seeds: Sequence[int]) -> None:
        """Start one episode per row; see `reset`.

        Raises:
            ValueError: ``envs`` is not Granular, or there is not one seed per row.
        """
        space, actions = envs.single_observation_space, envs.single_action_space
        seen = space.get("observation") if isinstance(space, gym.spaces.Dict) else None
        if seen is None or (seen.shape, actions.shape) != ((SIZE,), (4,)):
            raise ValueError(
                f"GranularPusherPolicy is for gbplan/Granular-v0, whose states are {SIZE} numbers and actions 4, got "
                f"{seen} and {actions}"
            )
        if len(seeds) != envs.num_envs:
            raise ValueError(f"expected one seed for each of {envs.num_envs} rows, got {len(seeds)} seeds")
        self._generators = policy_generators(seeds)

    def act(self, observation: Observation, active: NDArray[np.bool_] | None = None) -> NDArray[np.float32]:
        """Draw each row's push; see `act`. Inactive rows stand still."""
        rows = observation["observation"].astype(np.float64)
        if len(self._generators) != len(rows):
            raise RuntimeError(
                f"GranularPusherPolicy was reset for {len(self._generators)} rows, got {len(rows)}; "
                "call reset(envs, seeds)"
            )
        actions = np.zeros((len(rows), 4), np.float32)
        for row in range(len(rows)) if active is None else np.flatnonzero(active):
            actions[row] = push(self._generators[row], rows[row], self.action_noise)
        return actions


def push(rng: np.random.Generator, state: Floats, action_noise: float = NOISE) -> NDArray[np.float32]:
    """Draw the pusher's next action in a state ``(60,)``, ``(4,)``."""
    action = np.concatenate(draw_push(rng, state.reshape(DISCS, 2), BEFORE, THROUGH)) / REACH
    return np.clip(action + action_noise * rng.standard_normal(4), -1.0, 1.0).astype(np.float32)
