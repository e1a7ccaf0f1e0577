"""The expert of segment tasks: whoever made the goal."""

from collections.abc import Sequence

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from gbplan import checks
from gbplan.envs.policy import Observation, Policy
from gbplan.seeds import policy_generators


class SegmentExpert(Policy):
    """Repeat the actions of the pusher whose episode the task is a segment of, then stand still.

    It looks at nothing, and reaches the goal exactly, since a state determines what follows. It knows only tasks that
    the environment drew: from the seed alone, or those again, set with their seed.
    """

    def __init__(self, action_noise: float = 0.0) -> None:
        """Make an expert; it asks for the actions at its first :meth:`act`.

        Args:
            action_noise: standard deviation of the Gaussian added to each action before clipping, in action units.

        Raises:
            ValueError: ``action_noise`` is negative or not finite.
        """
        checks.not_negative(action_noise=action_noise)
        self.action_noise = action_noise
        self._envs: gym.vector.VectorEnv | None = None
        self._generators: list[np.random.Generator] = []
        self._actions: list[NDArray[np.float32]] | None = None
        self._step = 0

    def reset(self, envs: gym.vector.VectorEnv, seeds: Sequence[int]) -> None:
        """Begin one episode per row; see :meth:`Policy.reset`.

        Raises:
            ValueError: there is not one seed per row.
        """
        if len(seeds) != envs.num_envs:
            raise ValueError(f"expected one seed for each of {envs.num_envs} rows, got {len(seeds)} seeds")
        self._envs, self._generators = envs, policy_generators(seeds)
        self._actions, self._step = None, 0

    def act(self, observation: Observation, active: NDArray[np.bool_] | None = None) -> NDArray[np.float32]:
        """Return the next action of each row; see :meth:`Policy.act`.

        Raises:
            RuntimeError: it was not reset.
            ValueError: a row's task is none that the environment drew.
        """
        if self._envs is None:
            raise RuntimeError("SegmentExpert was not reset; call reset(envs, seeds)")
        if self._actions is None:
            self._actions = self._ask(self._envs)
        actions = np.zeros((len(self._actions), 2), np.float32)
        for row in range(len(actions)) if active is None else np.flatnonzero(active):
            if self._step < len(self._actions[row]):
                actions[row] = self._actions[row][self._step]
            if self.action_noise > 0.0:
                actions[row] += self.action_noise * self._generators[row].standard_normal(2)
        self._step += 1
        return np.clip(actions, -1.0, 1.0)

    @staticmethod
    def _ask(envs: gym.vector.VectorEnv) -> list[NDArray[np.float32]]:
        found = envs.unwrapped.call("segment_actions")  # type: ignore[attr-defined]  # every vector form of PushT has it
        for row, actions in enumerate(found):
            if actions is None:
                raise ValueError(
                    f"the expert knows segments that PushT itself drew, and the task of row {row} is none; reset with "
                    "the seed that drew the task, or without options"
                )
        return list(found)
