"""Runs episodes of a policy in a vector environment."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from gymnasium.spaces import Box
from gymnasium.vector import AutoresetMode, VectorEnv
from numpy.typing import ArrayLike, NDArray

from gbplan.data.trajectories import Trajectories
from gbplan.envs.contract import require_goal_conditioned
from gbplan.envs.parallel import ParallelVectorEnv
from gbplan.envs.policy import Policy
from gbplan.envs.rows import make_rows, reset_rows, row_infos
from gbplan.seeds import policy_seeds

ABSURD = 1000
"""Distance from the action space, in its widths, beyond which an action is an error and not noise to clip."""


def make_vector_env(
    env_id: str, num_envs: int, env_kwargs: dict[str, Any] | None = None, num_processes: int = 1
) -> VectorEnv:
    """Make a vector environment that ``run_episodes`` accepts.

    Uses the environment's own vector form if it has one without autoreset, else Gymnasium's SyncVectorEnv.

    Args:
        env_id: registered id, or ``"module:id"`` to import its module first.
        num_envs: number of rows, >= 1.
        env_kwargs: passed to the environment's constructor.
        num_processes: worker processes that share the rows, see `ParallelVectorEnv`; with 1 this process steps them.
            Episodes are the same.
    """
    if min(num_processes, num_envs) > 1:
        return ParallelVectorEnv(env_id, num_envs, env_kwargs, num_processes)
    return make_rows(env_id, num_envs, env_kwargs or {})


def run_episodes(
    envs: VectorEnv,
    policy: Policy,
    *,
    seeds: Sequence[int],
    states: ArrayLike | None = None,
    goals: ArrayLike | None = None,
    max_steps: int | None = None,
    keys: Sequence[str] | None = None,
    on_step: Callable[[int, NDArray[np.bool_]], None] | None = None,
) -> Trajectories:
    """Run one episode in every row, each until it terminates or is truncated.

    A finished row is reset, because without autoreset it must not be stepped further; its later steps are not recorded.
    An episode depends on its own seed (and state and goal) only, not on the other rows.

    Args:
        envs: N rows, goal-conditioned, with autoreset DISABLED; ``make_vector_env`` makes one.
        policy: acts in the environment; ``active`` marks the rows that still run.
        seeds: one environment seed per row; the policy's own seeds are derived from them by ``policy_seeds``.
        states: initial states, one per row; passed to ``reset`` as ``options["state"]``. None: the environment draws.
        goals: goals, passed as ``options["goal"]`` likewise.
        max_steps: cut every episode off after this many steps; None: only the environment ends them.
        keys: observations to record (pictures of all frames take much memory); None: all of them.
        on_step: called after every step with the number of steps done and the rows that are still running, ``(N,)``.

    Returns:
        N episodes in the order of the rows, with the info entries that are one number or array per row.

    Raises:
        ValueError: autoreset is on, spaces are not goal-conditioned and continuous, seeds, states, goals or actions
            have the wrong shape, the environment ignores ``options["goal"]``, or a policy's action is not finite.
    """
    mode = envs.metadata.get("autoreset_mode")
    if mode != AutoresetMode.DISABLED:
        raise ValueError(
            f"run_episodes needs a vector environment without autoreset, got autoreset_mode {mode}; make one with "
            "gbplan.data.make_vector_env, or gymnasium.make_vec(..., vectorization_mode='sync', "
            "vector_kwargs={'autoreset_mode': gymnasium.vector.AutoresetMode.DISABLED})"
        )
    _, box = require_goal_conditioned(envs.single_observation_space, envs.single_action_space, "the environment")
    if max_steps is not None and max_steps < 1:
        raise ValueError(f"max_steps must be at least 1, got {max_steps}")
    n = envs.num_envs
    tasks = {name: np.asarray(value) for name, value in (("state", states), ("goal", goals)) if value is not None}
    for name, rows in {"seeds": np.asarray(seeds), **{f"{name}s": rows for name, rows in tasks.items()}}.items():
        if rows.ndim == 0 or len(rows) != n:
            raise ValueError(f"{name} must have one entry per row of the environment ({n}), got shape {rows.shape}")

    seeds = [int(seed) for seed in seeds]
    policy.reset(envs, policy_seeds(seeds))
    observation, info = reset_rows(envs, seeds, tasks)
    goal = tasks.get("goal")
    seen = observation["desired_goal"]
    if goal is not None and goal.shape == seen.shape and not np.allclose(goal, seen, rtol=1e-4, atol=1e-4):
        row = int(np.flatnonzero(~np.isclose(goal, seen, rtol=1e-4, atol=1e-4).all(axis=1))[0])
        raise ValueError(
            f"the environment ignores reset(options={{'goal': ...}}): asked for {goal[row]}, got {seen[row]} in row "
            f"{row}; add the option to its reset, or leave goals out"
        )

    # Per step, (N, ...) each; copied, because an environment may return buffers that its next step overwrites.
    frames = {key: [np.array(value)] for key, value in observation.items() if keys is None or key in keys}
    infos = [row_infos(info, n)]
    actions: list[NDArray] = []
    rewards: list[NDArray] = []
    active = np.ones(n, np.bool_)
    lengths = np.zeros(n, np.int64)
    terminated = np.zeros(n, np.bool_)
    while active.any():
        action = np.asarray(policy.act(observation, active), envs.single_action_space.dtype)
        if action.shape != envs.action_space.shape:
            raise ValueError(
                f"{type(policy).__name__}.act must return actions of shape {envs.action_space.shape}, "
                f"got {action.shape}"
            )
        _require_sensible(action, box, policy, active, len(actions))
        # Environments clip actions slightly outside the box; the executed, clipped actions are stored.
        action = np.clip(action, box.low, box.high)
        observation, reward, ended, cut, info = envs.step(action)
        for key, values in frames.items():
            values.append(np.array(observation[key]))
        actions.append(action.astype(np.float32))
        rewards.append(np.array(reward))
        infos.append(row_infos(info, n))
        lengths += active
        terminated |= active & ended
        over = ended | cut
        active = active & ~over
        if max_steps is not None and len(actions) >= max_steps:
            active[:] = False
        if on_step is not None:
            on_step(len(actions), active.copy())
        if active.any() and over.any():
            reset_rows(envs, seeds, tasks, over)  # the result belongs to no episode

    recorded = np.arange(len(actions) + 1) <= lengths[:, None]  # (N, T + 1)
    last = np.cumsum(lengths + 1) - 1

    def lay(steps: list[NDArray]) -> NDArray:
        return np.stack(steps, axis=1)[recorded]  # (N, T + 1, ...) -> (F, ...)

    laid_actions = lay([*actions, np.zeros_like(actions[-1])])
    laid_rewards = lay([*rewards, np.zeros_like(rewards[-1])])
    laid_actions[last] = laid_rewards[last] = 0  # in place of the row's steps after its end
    return Trajectories(
        observations={key: lay(values) for key, values in frames.items()},
        actions=laid_actions,
        rewards=laid_rewards,
        lengths=lengths,
        terminated=terminated,
        infos={key: lay(values) for key, values in _aligned(infos).items()},
    )


def _require_sensible(action: NDArray, box: Box, policy: Policy, active: NDArray[np.bool_], step: int) -> None:
    """Raise a ValueError if a policy's action is not finite, or too far from the box for noise."""
    limit = ABSURD * np.maximum(1, np.where(np.isfinite(box.high - box.low), box.high - box.low, np.inf))
    wrong = active & ~(np.isfinite(action) & (action >= box.low - limit) & (action <= box.high + limit)).all(axis=1)
    if wrong.any():
        row = int(wrong.argmax())
        raise ValueError(
            f"{type(policy).__name__} returned the action {action[row]} in row {row}, step {step}; actions must be "
            f"finite, and lie in {box}"
        )


def _aligned(infos: list[dict[str, NDArray]]) -> dict[str, list[NDArray]]:
    """One array per step for every entry that occurs in some step; zeros at the steps without it."""
    templates: dict[str, NDArray] = {}
    for info in infos:
        for key, value in info.items():
            templates.setdefault(key, np.zeros_like(value))
    return {key: [info.get(key, zero) for info in infos] for key, zero in templates.items()}
