"""Runs a policy on tasks and collects the outcome of each."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from math import prod
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray
from tqdm.auto import tqdm

from gbplan.data import Trajectories, make_vector_env, run_episodes
from gbplan.envs import Policy, optional_method
from gbplan.envs.contract import time_limit_of
from gbplan.evaluation.diagnostics.model_error import ModelError, model_error
from gbplan.evaluation.playback import batches
from gbplan.evaluation.task_set import Tasks
from gbplan.networks import WorldModel
from gbplan.policies import ExpertPolicy, PlannerPolicy
from gbplan.policies.plan_record import PlanningEffort

STATE = ("observation", "achieved_goal", "desired_goal")
AT_ONCE = 2**28  # upper limit in bytes of the observations of tasks that run at the same time


@dataclass(frozen=True)
class Played:
    """The outcome of N tasks.

    Attributes:
        rows: indices of these tasks in a larger set, ``(N,)``.
        trajectories: the executed episodes: state, goals, and the requested observations.
        plans: model actions planned at the start, ``(N, H, A')``; None without plans.
        imagined: predicted paths of these plans, in the environment's goal space, ``(N, H, *G)``; None without plans,
            or without a probe.
        costs: the objective's value of these plans, ``(N,)``; None without plans.
        effort: time and model calls of all plans.
        errors: the model's errors along the ``planned`` and, if there is an expert, the ``expert`` episodes of these
            tasks; empty without a model.
    """

    rows: NDArray[np.int64]
    trajectories: Trajectories
    plans: NDArray[np.float32] | None = None
    imagined: NDArray[np.float32] | None = None
    costs: NDArray[np.float32] | None = None
    effort: PlanningEffort = field(default_factory=PlanningEffort)
    errors: dict[str, ModelError] = field(default_factory=dict)

    @staticmethod
    def join(parts: Sequence["Played"]) -> "Played":
        """Join outcomes of separate runs, in the order of their rows."""
        rows = np.concatenate([part.rows for part in parts])
        order = np.argsort(rows)

        def together(columns: list[NDArray | None]) -> NDArray | None:
            there = [column for column in columns if column is not None]
            return np.concatenate(there)[order] if len(there) == len(columns) else None

        efforts = [part.effort for part in parts]
        return Played(
            rows[order],
            Trajectories.concatenate([part.trajectories for part in parts]).select(order),
            together([part.plans for part in parts]),
            together([part.imagined for part in parts]),
            together([part.costs for part in parts]),
            PlanningEffort(
                sum(each.plans for each in efforts),
                sum(each.seconds for each in efforts),
                sum(each.model_calls for each in efforts),
            ),
            {
                name: ModelError.concatenate([part.errors[name] for part in parts]).select(order)
                for name in parts[0].errors
            },
        )


def tasks_at_once(tasks: Tasks, world_model: WorldModel | None, keys: Sequence[str] = ()) -> int:
    """Number of tasks to run at the same time: all, unless their pictures would take more than 256 MiB.

    Args:
        tasks: N tasks.
        world_model: the model whose encoder reads observations; None without a model.
        keys: other observations to keep.
    """
    with closing(make_vector_env(tasks.env_id, 1, tasks.env_kwargs)) as envs:
        limit = time_limit_of(envs) or 1
        spaces = envs.single_observation_space
    assert isinstance(spaces, gym.spaces.Dict)
    kept = [space for key, space in spaces.items() if key in (*_read(world_model), *keys)]
    each = (limit + 1) * sum(prod(space.shape or ()) * (space.dtype or np.dtype(float)).itemsize for space in kept)
    return min(len(tasks), max(1, AT_ONCE // each))


def play(
    policy: Policy,
    envs: gym.vector.VectorEnv,
    tasks: Tasks,
    *,
    rows: NDArray[np.int64] | None = None,
    world_model: WorldModel | None = None,
    error_horizon: int = 25,
    max_steps: int | None = None,
    keys: Sequence[str] = (),
    progress: str | None = None,
) -> Played:
    """Run a policy on every task, see ``evaluate``.

    Args:
        policy: the policy, which acts in all rows at once.
        envs: goal-conditioned, autoreset disabled; tasks are run ``num_envs`` at a time, and observations that only the
            model reads are dropped after each batch.
        tasks: N tasks.
        rows: indices of these tasks in a larger set, ``(N,)``; None: 0..N - 1.
        world_model: see ``evaluate``.
        error_horizon: see ``evaluate``.
        max_steps: see ``evaluate``.
        keys: see ``evaluate``.
        progress: see ``evaluate``.
    """
    planner_policy = policy if isinstance(policy, PlannerPolicy) else None
    read, kept = (*_read(world_model), *keys), (*STATE, *keys)
    time_limit = time_limit_of(envs)
    has_expert = world_model is not None and optional_method(envs, "expert") is not None
    actions = envs.single_action_space
    bounds = (actions.low, actions.high) if isinstance(actions, gym.spaces.Box) else None
    rows = np.arange(len(tasks)) if rows is None else rows
    parts = []
    for batch in batches(len(tasks), envs.num_envs):
        label = f"{progress}, {tasks.kind}"
        # An upper limit: the bar ends sooner if all arrive.
        with tqdm(desc=label, total=max_steps or time_limit, unit="step", disable=progress is None, leave=False) as bar:

            def show(step: int, active: NDArray[np.bool_], bar: Any = bar) -> None:
                bar.update(1)
                bar.set_postfix_str(f"{int(active.sum())} of {len(active)} still on their way", refresh=False)

            episodes = run_episodes(
                envs,
                policy,
                seeds=tasks.seeds[batch].tolist(),
                states=tasks.states[batch],
                goals=tasks.goals[batch],
                max_steps=max_steps,
                keys=read,
                on_step=show,
            )
        used = len(np.unique(batch))  # the last batch is padded with its first task
        runs = {"planned": episodes.select(np.arange(used))}
        if has_expert:
            runs["expert"] = episodes_of(ExpertPolicy(), tasks.select(batch[:used]), envs, read)
        errors = {}
        if world_model is not None:
            errors = {name: model_error(world_model, run, error_horizon, bounds) for name, run in runs.items()}
        first = effort = None
        if planner_policy is not None:
            first, effort = planner_policy.first_plan, planner_policy.effort
        parts.append(
            Played(
                rows[batch[:used]],
                runs["planned"].only(kept),
                None if first is None else first.actions[:used],
                # A model without a probe has no imagined path.
                None if first is None or first.predicted is None else first.predicted[:used],
                None if first is None else first.cost[:used],
                effort or PlanningEffort(),
                errors,
            )
        )
    return Played.join(parts)


def episodes_of(
    policy: Policy,
    tasks: Tasks,
    envs: gym.vector.VectorEnv,
    keys: Sequence[str] | None,
    max_steps: int | None = None,
) -> Trajectories:
    """Run a policy on these tasks and return the episodes with these observations; None: with all."""
    parts = [
        run_episodes(
            envs,
            policy,
            seeds=tasks.seeds[rows].tolist(),
            states=tasks.states[rows],
            goals=tasks.goals[rows],
            max_steps=max_steps,
            keys=keys,
        )
        for rows in batches(len(tasks), envs.num_envs)
    ]
    return Trajectories.concatenate(parts).select(np.arange(len(tasks)))


def _read(world_model: WorldModel | None) -> tuple[str, ...]:
    """State, goals, and the observations that the model reads."""
    return STATE if world_model is None else (*STATE, *world_model.encoder.observation_keys)
