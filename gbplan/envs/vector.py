"""Rows of single environments in one process, each with a task of its own."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.wrappers import TimeLimit
from numpy.typing import NDArray


class RowsVectorEnv(SyncVectorEnv):
    """Gymnasium's SyncVectorEnv, with another state and goal in every row: for environments that can be set.

    Row i of ``reset(seed=s)`` is, step by step and bit for bit, the single environment of ``reset(seed=s + i)``. A row
    that is over must be reset before the next step, by ``reset(options={"reset_mask": over})``: there is no autoreset,
    so no transition is ever a reset in disguise.

    ## Reset options

    | Key          | Shape                   | Meaning                                                               |
    |--------------|-------------------------|-----------------------------------------------------------------------|
    | `reset_mask` | (N,), bool array        | rows to reset; the others keep their state and their last observation |
    | `state`      | (N, D), or (D,) for all | start states; only rows that are reset are read                       |
    | `goal`       | (N, G), or (G,) for all | goals; only rows that are reset are read                              |

    All of it is checked before any row is reset.
    """

    def __init__(self, make: Callable[[], gym.Env], num_envs: int = 1, max_episode_steps: int | None = None) -> None:
        """Make the rows.

        Args:
            make: makes a row's environment, which has a method ``check_task(options)`` that raises a ValueError for
                options that its ``reset`` would refuse.
            num_envs: number of rows, N.
            max_episode_steps: rows are truncated after so many steps; None: never.

        Raises:
            ValueError: a number is below 1.
        """
        for name, count in (("num_envs", num_envs), ("max_episode_steps", max_episode_steps)):
            if count is not None and count < 1:
                raise ValueError(f"{name} must be at least 1, got {count}")

        rows = [partial(_make_row, make, max_episode_steps)] * num_envs
        super().__init__(rows, autoreset_mode=AutoresetMode.DISABLED)
        self.max_episode_steps = max_episode_steps
        self._begun = False
        self._over = np.zeros(num_envs, np.bool_)

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin an episode in every row, or in those of ``options["reset_mask"]``.

        Args:
            seed: row i is seeded by ``seed + i`` or by ``seed[i]``; None continues a row's random stream. Rows that
                are not reset are not seeded either.
            options: see the class.

        Raises:
            ValueError: an option is not possible; names the row.
        """
        given = dict(options or {})
        mask = given.pop("reset_mask", None)
        rows = np.ones(self.num_envs, np.bool_) if mask is None else mask
        if isinstance(rows, np.ndarray) and rows.dtype == np.bool_ and rows.shape == (self.num_envs,):
            if not (self._begun or rows.all()):
                raise gym.error.ResetNeeded("the first reset must be of all rows; call reset() without reset_mask")
            self._set_tasks(given, np.flatnonzero(rows).tolist())
        # Otherwise the mask is wrong, and Gymnasium says how.
        seeds: Any = int(seed) if isinstance(seed, np.integer) else seed
        observations, infos = super().reset(seed=seeds, options=None if mask is None else {"reset_mask": mask})
        self._over[rows] = False
        self._begun = True
        return observations, infos

    def step(
        self, actions: Any
    ) -> tuple[Any, NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]]:
        """Move every row once.

        Raises:
            gymnasium.error.ResetNeeded: a row is over, or was never reset.
            gymnasium.error.InvalidAction: wrong shape.
        """
        if not self._begun:
            raise gym.error.ResetNeeded("the rows were stepped before their first reset; call reset() before step()")
        if self._over.any():
            rows = np.flatnonzero(self._over).tolist()
            named = ", ".join(map(str, rows[:10])) + (f" and {len(rows) - 10} more" if len(rows) > 10 else "")
            raise gym.error.ResetNeeded(
                f"rows {named} are over; reset them before the next step, with "
                "reset(options={'reset_mask': terminated | truncated})"
            )
        shape, expected = np.shape(actions), self.action_space.shape
        if shape != expected:
            raise gym.error.InvalidAction(f"actions must have shape {expected}, got {shape}")
        observations, rewards, terminated, truncated, infos = super().step(actions)
        self._over = terminated | truncated
        return observations, rewards, terminated, truncated, infos

    def _set_tasks(self, given: dict[str, Any], rows: list[int]) -> None:
        """Give each row its part of the options, once all rows' parts have been found possible."""
        parts = {name: self._parts(name, value) for name, value in given.items() if value is not None}
        tasks = {row: {name: value[row] for name, value in parts.items()} for row in rows}
        for row, task in tasks.items():
            try:
                self.envs[row].unwrapped.check_task(task)  # type: ignore[attr-defined]
            except ValueError as error:
                raise ValueError(f"{error} (row {row})") from None
        for row, task in tasks.items():
            self.envs[row].task = task  # type: ignore[attr-defined]

    def _parts(self, name: str, value: Any) -> Sequence[Any] | NDArray:
        """Return an option's value for each row."""
        try:
            array = np.asarray(value)
        except ValueError:  # of no shape at all: each row refuses it
            return [value] * self.num_envs
        if array.ndim < 2:
            return [value] * self.num_envs
        if array.ndim > 2 or len(array) != self.num_envs:
            raise ValueError(
                f"options[{name!r}] must be one vector for all rows or one for each of {self.num_envs}, got shape "
                f"{array.shape}"
            )
        return array


def _make_row(make: Callable[[], gym.Env], max_episode_steps: int | None) -> gym.Env:
    return _Row(make() if max_episode_steps is None else TimeLimit(make(), max_episode_steps))


class _Row(gym.Wrapper):
    """Resets an environment to the task given beforehand, since SyncVectorEnv hands all rows the same options."""

    task: dict[str, Any] | None = None

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Take the task, once."""
        task, self.task = self.task, None
        return self.env.reset(seed=seed, options=task)
