"""The rows of a vector environment: making them, resetting each to its own task, and reading their infos."""

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.envs.registration import EnvSpec
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv, VectorEnv
from numpy.typing import NDArray


def make_rows(env_id: str | EnvSpec, num_envs: int, env_kwargs: dict[str, Any]) -> VectorEnv:
    """Make rows without autoreset in this process.

    Uses the environment's own vector form if it has one without autoreset, else Gymnasium's SyncVectorEnv.
    """
    envs = gym.make_vec(env_id, num_envs=num_envs, **env_kwargs)
    if envs.metadata.get("autoreset_mode") != AutoresetMode.DISABLED:
        envs.close()
        disabled = {"autoreset_mode": AutoresetMode.DISABLED}
        envs = gym.make_vec(env_id, num_envs=num_envs, vectorization_mode="sync", vector_kwargs=disabled, **env_kwargs)
    return envs


def reset_rows(
    envs: VectorEnv, seeds: Any, tasks: dict[str, NDArray], mask: NDArray[np.bool_] | None = None
) -> tuple[dict[str, NDArray], dict[str, Any]]:
    """Reset the rows in ``mask`` (None: all) with their own seed, and the options of ``tasks``, one per row."""
    # seeds is Any because VectorEnv.reset declares a single int, though all of Gymnasium's accept one per row.
    # SyncVectorEnv and AsyncVectorEnv pass one options dict to every row, so rows with different tasks are reset one at
    # a time. A native vector environment takes one entry per row.
    if not tasks or not isinstance(envs.unwrapped, SyncVectorEnv | AsyncVectorEnv):
        options: dict[str, Any] = dict(tasks)
        if mask is not None:
            options["reset_mask"] = mask
        return envs.reset(seed=seeds, options=options or None)

    info: dict[str, Any] = {}
    if mask is None:  # masked resets need an earlier observation of every row
        envs.reset(seed=seeds)
    for row in np.arange(envs.num_envs) if mask is None else np.flatnonzero(mask):
        only = np.arange(envs.num_envs) == row
        options = {"reset_mask": only, **{name: values[row] for name, values in tasks.items()}}
        observation, row_info = envs.reset(seed=seeds, options=options)
        for key, values in row_infos(row_info, envs.num_envs).items():
            info.setdefault(key, np.zeros_like(values))[row] = values[row]
    return observation, info


def row_infos(info: dict[str, Any], n: int) -> dict[str, NDArray]:
    """Copy the entries with one number or array per row; ``_key`` masks and nested dicts are left out."""
    rows = {
        key: _numbers(value)
        for key, value in info.items()
        if not key.startswith("_") and isinstance(value, np.ndarray) and value.ndim and len(value) == n
    }
    return {key: value for key, value in rows.items() if value.dtype.kind in "biuf"}


def _numbers(values: NDArray) -> NDArray:
    """Copy an array, with objects that are numbers converted to numbers; zeros where a row has none."""
    if values.dtype == object:  # Gymnasium's vector environments make such arrays from np.bool_
        there = [value for value in values.ravel() if value is not None]
        if there and all(isinstance(value, bool | int | float | np.bool_ | np.number) for value in there):
            filled = np.array([0 if value is None else value for value in values.ravel()], np.result_type(*there))
            return filled.reshape(values.shape)
    return np.array(values)
