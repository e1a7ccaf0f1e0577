"""A mixture of policies, one per episode."""

from collections.abc import Sequence

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from gbplan.envs.policy import Observation, Policy


class MixedPolicy(Policy):
    """Follows one of several policies in each episode, drawn by weight from the episode's seed."""

    def __init__(self, policies: list[Policy], weights: list[float] | None = None) -> None:
        """Choose the policies.

        Args:
            policies: the policies, at least one.
            weights: relative frequencies; None: equal.

        Raises:
            ValueError: there are no policies, there is not one weight per policy, a weight is negative or not finite,
                or all are zero.
        """
        weights = [1.0] * len(policies) if weights is None else list(weights)
        valid = len(weights) == len(policies) and all(0 <= w < float("inf") for w in weights) and sum(weights) > 0
        if not policies or not valid:
            raise ValueError(
                "one or more policies with as many weights >= 0, not all zero, are needed, "
                f"got {len(policies)} policies and weights {weights}"
            )
        self.policies = list(policies)
        self.weights = weights

    def reset(self, envs: gym.vector.VectorEnv, seeds: Sequence[int]) -> None:
        """Begin one episode per row; see ``Policy``."""
        probabilities = np.asarray(self.weights) / sum(self.weights)
        # The key is not the seed alone, because the choice must be independent of the chosen policy's first draw.
        draws = [np.random.default_rng([seed, 1]).choice(len(self.policies), p=probabilities) for seed in seeds]
        self._choice = np.asarray(draws)
        for policy in self.policies:
            policy.reset(envs, seeds)

    def act(self, observation: Observation, active: NDArray[np.bool_] | None = None) -> NDArray[np.float32]:
        """Choose the next action of each row; see ``Policy``."""
        active = np.ones(len(self._choice), dtype=bool) if active is None else active
        proposed = [policy.act(observation, active & (self._choice == i)) for i, policy in enumerate(self.policies)]
        return np.stack(proposed)[self._choice, np.arange(len(self._choice))]
