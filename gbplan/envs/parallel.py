"""Rows of a vector environment that worker processes step."""

import multiprocessing
import os
import signal
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, VectorEnv
from gymnasium.vector.async_vector_env import AsyncState
from gymnasium.vector.utils import batch_space
from numpy.typing import ArrayLike, NDArray

from gbplan.envs.rows import make_rows, reset_rows, row_infos

Observation = dict[str, NDArray[Any]]
Bools = NDArray[np.bool_]


class ParallelVectorEnv(VectorEnv[Observation, NDArray[Any], NDArray[Any]]):
    """N rows, shared among worker processes; each steps its rows as one process would step all.

    The workers are those of Gymnasium's AsyncVectorEnv, with shared memory, but each has many rows, in the
    environment's own vector form if it has one. Rows begin, step and end exactly as with one process, because a row
    depends on its own seed, state, goal and actions only. There is no autoreset.

    A script that makes one needs the guard ``if __name__ == "__main__":``, because workers import it.

    ## Reset options

    | Key          | Shape                    | Meaning                                        |
    |--------------|--------------------------|------------------------------------------------|
    | `reset_mask` | (N,), bool array         | rows to reset; the others keep their state     |
    | `state`      | (N, *S), or (*S) for all | start states; only rows that are reset read it |
    | `goal`       | (N, *G), or (*G) for all | goals, likewise                                |

    Infos have the entries with one number or array per row, with Gymnasium's masks; others stay in the workers.
    """

    def __init__(
        self, env_id: str, num_envs: int, env_kwargs: dict[str, Any] | None = None, num_processes: int = 2
    ) -> None:
        """Start the workers.

        Args:
            env_id: registered id, or ``"module:id"`` to import its module first.
            num_envs: number of rows, N.
            env_kwargs: arguments of the environment.
            num_processes: number of workers; fewer if there are fewer rows.

        Raises:
            ValueError: a number is below 1.
            RuntimeError: the workers cannot import the script that makes them.
        """
        for name, count in (("num_envs", num_envs), ("num_processes", num_processes)):
            if count < 1:
                raise ValueError(f"{name} must be at least 1, got {count}")
        kwargs = env_kwargs or {}
        self._seeded = False
        self.one = make_rows(env_id, 1, kwargs)
        """A row in this process, which has spaces and optional methods, but no episode."""
        assert self.one.spec is not None  # make_vec sets it
        self.spec = self.one.spec
        self.metadata = {**self.one.metadata, "autoreset_mode": AutoresetMode.DISABLED}
        self.render_mode = self.one.render_mode
        self.num_envs = num_envs
        self.single_observation_space = self.one.single_observation_space
        self.single_action_space = self.one.single_action_space
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        each = -(-num_envs // num_processes)
        # All workers have equally many rows: surplus rows of the last worker repeat the last row.
        self._rows = np.minimum(np.arange(-(-num_envs // each) * each), num_envs - 1)
        # Workers may not have imported the module that registers the environment, but they can make its spec.
        make = partial(make_rows, gym.registry[self.spec.id], each, kwargs)
        try:
            self._workers = AsyncVectorEnv(
                [partial(_Share, make, rows, os.getpid()) for rows in self._rows.reshape(-1, each)],
                copy=False,
                context=_context(),
                autoreset_mode=AutoresetMode.DISABLED,
            )
        except (EOFError, ConnectionError):
            self.one.close()
            raise RuntimeError(
                f"the processes that step {self.spec.id} could not start, see above; write the script to a file, and "
                'what it does below `if __name__ == "__main__":`, or use num_processes=1'
            ) from None

    def reset(self, *, seed: Any = None, options: dict[str, Any] | None = None) -> tuple[Observation, dict[str, Any]]:
        """Begin an episode in every row, or in those of ``options["reset_mask"]``.

        Args:
            seed: row i is seeded by ``seed + i`` or by ``seed[i]``; None continues a row's random stream.
            options: see the class.

        Raises:
            ValueError: an option is unknown, or there is not one state, goal or seed per row.
        """
        tasks = dict(options or {})
        mask = tasks.pop("reset_mask", None)
        if unknown := set(tasks) - {"state", "goal"}:
            raise ValueError(f"options must be state, goal and reset_mask, got {sorted(unknown)}")
        if mask is not None:
            is_array = isinstance(mask, np.ndarray)
            if not is_array or mask.dtype != np.bool_ or mask.shape != (self.num_envs,) or not mask.any():
                raise ValueError(
                    f"options['reset_mask'] must be a bool array of shape ({self.num_envs},) with at least one True, "
                    f"got {mask!r}"
                )
        if seed is None or isinstance(seed, int | np.integer):
            seeds = [None if seed is None else int(seed) + row for row in range(self.num_envs)]
        elif len(seeds := list(seed)) != self.num_envs:
            raise ValueError(f"seed must have one entry for each of {self.num_envs} rows, got {len(seeds)}")
        if not self._seeded:  # a row's first random stream must be that of the rows that repeat it
            seeds = [int(np.random.SeedSequence().generate_state(1)[0]) if each is None else each for each in seeds]
        asked: dict[str, Any] = {
            "seeds": [seeds[row] for row in self._rows],
            "tasks": {name: self._per_row(name, value)[self._rows] for name, value in tasks.items()},
            "mask": None if mask is None else mask[self._rows],
        }
        if mask is not None:  # a worker without a row to reset does nothing
            asked["reset_mask"] = mask[self._rows].reshape(self._workers.num_envs, -1).any(axis=1)
        observation, infos = self._workers.reset(options=asked)
        self._seeded = True
        return self._joined(observation), self._infos(infos)

    def step(self, actions: ArrayLike) -> tuple[Observation, NDArray[Any], Bools, Bools, dict[str, Any]]:
        """Act once in every row; all rows must be running."""
        given = np.asarray(actions, self.single_action_space.dtype)
        if given.shape != self.action_space.shape:
            raise gym.error.InvalidAction(f"actions must have shape {self.action_space.shape}, got {given.shape}")
        shares = given[self._rows].reshape(self._workers.action_space.shape)
        observation, rewards, terminated, truncated, infos = self._workers.step(shares)
        count = self.num_envs
        return (
            self._joined(observation),
            rewards.reshape(-1)[:count],
            terminated.reshape(-1)[:count],
            truncated.reshape(-1)[:count],
            self._infos(infos),
        )

    def call(self, name: str, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        """Return an attribute of each row's environment, or its result if it is a method."""
        parts = self._workers.call("call_rows", name, args, kwargs)
        return tuple(result for part in parts for result in part)[: self.num_envs]

    def get_attr(self, name: str) -> tuple[Any, ...]:
        """Return an attribute of each row's environment; see ``call``."""
        return self.call(name)

    def render(self) -> tuple[Any, ...] | None:
        """Return what each row draws."""
        return None if self.render_mode is None else self.call("render")

    def close_extras(self, timeout: float | None = None, terminate: bool = False) -> None:
        """Stop the workers.

        Args:
            timeout: seconds to wait for workers that are still at work, before they are stopped; None: none.
            terminate: stop all of them at once.
        """
        at_work = self._workers._state != AsyncState.DEFAULT
        self._workers.close(timeout=timeout, terminate=terminate or (at_work and timeout is None))
        self.one.close()

    def _per_row(self, name: str, value: ArrayLike) -> NDArray[Any]:
        values = np.asarray(value)
        assert isinstance(self.single_observation_space, gym.spaces.Dict)
        rank = len(self.single_observation_space["desired_goal" if name == "goal" else "observation"].shape or ())
        if values.ndim == rank:
            values = np.broadcast_to(values, (self.num_envs, *values.shape))
        if values.ndim != rank + 1 or len(values) != self.num_envs:
            raise ValueError(
                f"options[{name!r}] must have one entry for each of {self.num_envs} rows, or be one for all, got shape "
                f"{values.shape}"
            )
        return values

    def _joined(self, observation: Observation) -> Observation:
        # Copies, because the next step writes into the shared memory.
        return {
            key: values.reshape(-1, *values.shape[2:])[: self.num_envs].copy() for key, values in observation.items()
        }

    def _infos(self, infos: dict[str, Any]) -> dict[str, Any]:
        """Join the infos of all workers; zeros for those that were not asked."""
        shares = [share.rows if isinstance(share, _Infos) else {} for share in infos["share"]]
        templates = {key: np.zeros_like(values) for share in shares for key, values in share.items()}
        return {
            key: np.concatenate([share.get(key, zeros) for share in shares])[: self.num_envs]
            for key, zeros in templates.items()
        }


class _Infos(NamedTuple):
    """A worker's infos, which AsyncVectorEnv passes on as they are."""

    rows: dict[str, NDArray[Any]]


class _Share(gym.Env[Observation, NDArray[Any]]):
    """The rows of one worker, as one environment."""

    def __init__(self, make: Callable[[], VectorEnv], rows: NDArray[np.int64], owner: int) -> None:
        if os.getpid() != owner:  # the owner makes one, too, to read its spaces
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that closes the workers
        self._envs, self._rows = make(), rows
        self.observation_space, self.action_space = self._envs.observation_space, self._envs.action_space

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        assert options is not None
        mask = None if options["mask"] is None else options["mask"][self._rows]
        tasks = {name: values[self._rows] for name, values in options["tasks"].items()}
        seeds = [options["seeds"][row] for row in self._rows]
        observation, info = reset_rows(self._envs, seeds, tasks, mask)
        return observation, self._infos(info, mask)

    def step(self, action: NDArray[Any]) -> Any:  # arrays, one entry per row, where an environment has numbers
        *outcome, info = self._envs.step(action)
        return *outcome, self._infos(info)

    def call_rows(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
        return self._envs.unwrapped.call(name, *args, **kwargs)  # type: ignore[attr-defined]  # all but VectorEnv's own

    def close(self) -> None:
        self._envs.close()

    def _infos(self, info: dict[str, Any], mask: Bools | None = None) -> dict[str, Any]:
        count = self._envs.num_envs
        rows = row_infos(info, count)
        about = np.ones(count, np.bool_) if mask is None else mask
        masks = {f"_{key}": np.asarray(info.get(f"_{key}", about)) for key in rows}
        return {"share": _Infos(rows | masks)}


def _context() -> str:
    """Choose how workers start: not forked from this process, where threads of torch may be at work."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return "spawn"
    from multiprocessing import forkserver  # for systems that have it

    # The list is the whole program's, and may hold a user's modules. There is no public way to read it.
    preload = getattr(forkserver._forkserver, "_preload_modules", None)
    if preload is not None and __name__ not in preload:
        multiprocessing.set_forkserver_preload([*preload, __name__])
    return "forkserver"
