"""A random walk, as a policy."""

from collections.abc import Sequence

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from gbplan.envs.policy import Observation, Policy
from gbplan.seeds import policy_generators


class RandomWalkPolicy(Policy):
    """Walk along a heading that itself does a random walk: smooth paths that cover the plane, independent of the goal.

    The heading begins uniform on the circle and turns by a Gaussian angle in each step; the speed of each step is
    uniform in a range. For environments whose action is a direction in the plane.
    """

    def __init__(self, turn: float = 0.3, min_speed: float = 0.2, max_speed: float = 1.0) -> None:
        """Set the shape of the walk.

        Args:
            turn: standard deviation of the change of heading, in radians per step; 0 walks straight.
            min_speed: lower end of the range of speeds, as a fraction of the action's bound.
            max_speed: upper end of the range of speeds, as a fraction of the action's bound, at most 1.

        Raises:
            ValueError: a number is outside its range.
        """
        if not 0.0 <= turn < np.inf:
            raise ValueError(f"turn must be a finite number >= 0, got {turn}")
        if not 0.0 <= min_speed <= max_speed <= 1.0:
            raise ValueError(f"speeds must satisfy 0 <= min_speed <= max_speed <= 1, got {min_speed} and {max_speed}")
        self.turn = turn
        self.min_speed = min_speed
        self.max_speed = max_speed
        self._generators: list[np.random.Generator] = []
        self._heading = np.zeros(0)
        self._bound = np.ones(2)

    def reset(self, envs: gym.vector.VectorEnv, seeds: Sequence[int]) -> None:
        """Draw each row's first heading; see `reset`.

        Raises:
            ValueError: the action is not a direction in the plane, or the number of seeds is not the number of rows.
        """
        space = envs.single_action_space
        if not isinstance(space, gym.spaces.Box) or space.shape != (2,) or not (space.low == -space.high).all():
            raise ValueError(f"RandomWalkPolicy needs actions in a symmetric Box of shape (2,), got {space}")
        if len(seeds) != envs.num_envs:
            raise ValueError(f"expected one seed for each of {envs.num_envs} rows, got {len(seeds)} seeds")
        self._bound = space.high.astype(np.float64)
        self._generators = policy_generators(seeds)
        self._heading = np.array([rng.uniform(-np.pi, np.pi) for rng in self._generators])

    def act(self, observation: Observation, active: NDArray[np.bool_] | None = None) -> NDArray[np.float32]:
        """Take the next step of each walk; see `act`. Rows that are not active stand still."""
        rows = len(observation["observation"])
        if len(self._generators) != rows:
            raise RuntimeError(
                f"RandomWalkPolicy was reset for {len(self._generators)} rows and got {rows}; call reset(envs, seeds)"
            )
        speed = np.zeros(rows)
        for row in np.arange(rows) if active is None else np.flatnonzero(active):
            rng = self._generators[row]
            self._heading[row] += self.turn * rng.standard_normal()
            speed[row] = rng.uniform(self.min_speed, self.max_speed)
        direction = np.stack([np.cos(self._heading), np.sin(self._heading)], axis=-1)
        return (self._bound * speed[:, None] * direction).astype(np.float32)
