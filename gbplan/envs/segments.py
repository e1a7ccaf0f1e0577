"""Tasks that are segments of another policy's episode, and the expert that repeats its actions."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from gbplan.envs.contract import name_of
from gbplan.envs.expert import Expert
from gbplan.envs.policy import Observation


class Task(NamedTuple):
    """A start state and a goal, with actions that solve them.

    Attributes:
        state: the whole state, ``(S,)``.
        goal: the goal, ``(G,)``.
        actions: actions that lead from the state to the goal, ``(T, A)``; None: not known.
    """

    state: Any
    goal: Any
    actions: NDArray[np.float32] | None


def draw_key(rng: np.random.Generator) -> int:
    """Draw a task's key at every reset, so that a task set again with its seed is recognised as that seed's."""
    return int(rng.integers(2**63 - 1))


class SegmentExpert(Expert[Any]):
    """Repeat the actions of the episode that the task is a segment of, then stand still.

    It ignores observations and reaches the goal exactly, because state and actions determine the next states. It knows
    only tasks that the environment drew: from the seed alone, or the same tasks set again with their seed.

    The vector environment answers ``call("segment_actions")`` with the actions of each row's task, ``(T, A)`` or None.
    """

    environment = "PushT, Rope or Granular"
    _envs: gym.vector.VectorEnv | None = None

    def reset(self, envs: gym.vector.VectorEnv, seeds: Sequence[int]) -> None:
        """Begin one episode per row; see `reset`. The first `act` fetches the actions."""
        super().reset(envs, seeds)
        self._envs, self._step = envs, 0
        self._actions: list[NDArray[np.float32]] = []

    def _best(self, world: Any, observation: Observation) -> NDArray[np.float64]:
        if self._envs is None:
            raise RuntimeError("SegmentExpert has not been reset; call reset(envs, seeds)")
        if not self._actions:
            self._actions = _actions_of(self._envs)
        best = np.zeros((len(self._actions), self._actions[0].shape[1]))
        for row, actions in enumerate(self._actions):
            if self._step < len(actions):
                best[row] = actions[self._step]
        self._step += 1
        return best


def _actions_of(envs: gym.vector.VectorEnv) -> list[NDArray[np.float32]]:
    """Get the actions of every row's segment.

    Raises:
        ValueError: the environment did not draw a row's task.
    """
    found = envs.unwrapped.call("segment_actions")  # type: ignore[attr-defined]  # every vector form has it
    for row, actions in enumerate(found):
        if actions is None:
            raise ValueError(
                f"the expert repeats segments that {name_of(envs)} drew, and the task of row {row} was given to it; "
                "reset with the seed that drew the task, or without options"
            )
    return list(found)
