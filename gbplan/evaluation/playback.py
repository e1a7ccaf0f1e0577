"""Executes fixed action sequences in an environment."""

from collections.abc import Sequence

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from gbplan.data import run_episodes
from gbplan.envs import Observation, Policy
from gbplan.evaluation.task_set import Tasks


def batches(count: int, size: int) -> list[NDArray[np.int64]]:
    """Task indices in batches of exactly ``size``; the last batch is padded with its first index."""
    parts = [np.arange(start, min(start + size, count)) for start in range(0, count, size)]
    parts[-1] = np.concatenate([parts[-1], np.full(size - len(parts[-1]), parts[-1][0])])
    return parts


def play_back(
    envs: gym.vector.VectorEnv, tasks: Tasks, actions: NDArray[np.floating]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Set each task and execute its actions, open loop.

    Rows with the same task and seed get the same noise, so that only their actions differ.

    Args:
        envs: goal-conditioned, autoreset disabled; rows are run ``num_envs`` at a time.
        tasks: N tasks.
        actions: actions, ``(N, H, A)``, one for each environment step.

    Returns:
        The ``achieved_goal`` after each step, ``(N, H, *G)``, and the number of steps of each episode, ``(N,)``; an
        episode that the environment ends before H stays where it ended.
    """
    achieved, lengths = [], []
    horizon = actions.shape[1]
    for rows in batches(len(tasks), envs.num_envs):
        episodes = run_episodes(
            envs,
            FixedActions(actions[rows]),
            seeds=tasks.seeds[rows].tolist(),
            states=tasks.states[rows],
            goals=tasks.goals[rows],
            max_steps=horizon,
            keys=["achieved_goal"],
        )
        step = np.minimum(np.arange(1, horizon + 1), episodes.lengths[:, None])
        used = len(np.unique(rows))
        achieved.append(episodes.observations["achieved_goal"][episodes.starts[:, None] + step][:used])
        lengths.append(episodes.lengths[:used])
    return np.concatenate(achieved).astype(np.float64), np.concatenate(lengths)


class FixedActions(Policy):
    """Takes the same actions in any case, ``(N, H, A)``."""

    def __init__(self, actions: NDArray[np.floating]) -> None:
        self._actions = actions.astype(np.float32)
        self._step = 0

    def reset(self, envs: gym.vector.VectorEnv, seeds: Sequence[int]) -> None:
        """Begin with the first action."""
        self._step = 0

    def act(self, observation: Observation, active: NDArray[np.bool_] | None = None) -> NDArray[np.float32]:
        """Return the next action of each row."""
        self._step += 1
        return self._actions[:, self._step - 1]
