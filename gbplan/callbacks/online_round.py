"""The outcome of the plans for a round's tasks, and its metrics."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gbplan.callbacks.round_tasks import Group
from gbplan.data import Trajectories, make_vector_env
from gbplan.envs import optional_method
from gbplan.evaluation import ModelError, Tasks
from gbplan.evaluation.evaluate import conclude
from gbplan.evaluation.metrics import wilson_interval
from gbplan.evaluation.planning_evaluation import Gather
from gbplan.evaluation.played import Played, play, tasks_at_once
from gbplan.policies import PlannerPolicy


@dataclass(frozen=True)
class Executed:
    """The outcome of the plans for N tasks.

    Attributes:
        group: kind and way of planning.
        tasks: the tasks themselves.
        trajectories: the executed episodes, in the tasks' order.
        imagined: path that the model predicted for the first plan of each task, environment's goal space,
            ``(N, H, *G)``; None without a probe.
        success: whether the environment reports that the goal was reached, ``(N,)``.
        believed: whether the model believed that its first plan would reach it, ``(N,)``; None where this is not known.
        final_distance: distance to the goal at the episode's end, environment units, ``(N,)``; None where goals are not
            metric.
        errors: open-loop errors of the model along the ``planned`` and, where there is an expert, the ``expert``
            trajectory of each task, ``(N,)``: ``latent_error_<trajectories>`` and, with a probe, ``model_error_<...>``;
            NaN where an episode is too short to measure one.
        seconds: wall time spent in the planner, of the slowest process.
        background: line segments that figures draw behind paths, if the environment has any.
        radius: radius of the goal region, environment units; None where success is not a matter of distance.
    """

    group: Group
    tasks: Tasks
    trajectories: Trajectories
    imagined: NDArray | None
    success: NDArray[np.bool_]
    believed: NDArray[np.bool_] | None
    final_distance: NDArray[np.float64] | None
    errors: dict[str, NDArray[np.float64]]
    seconds: float
    background: NDArray | None
    radius: float | None


def execute(
    policy: PlannerPolicy,
    group: Group,
    tasks: Tasks,
    *,
    error_horizon: int,
    gather: Gather,
    rank: int = 0,
    world_size: int = 1,
    keys: Sequence[str] = (),
    progress: str | None = None,
    num_processes: int = 1,
) -> Executed:
    """Plan and execute tasks, a share in each process, and return all outcomes in every process.

    The result does not depend on the number of processes, up to floating-point rounding: episodes are in the order of
    the tasks.

    Args:
        policy: the policy that plans.
        group: kind of the tasks and way of planning; an open-loop episode ends with its plan, because the agent would
            stand still afterwards.
        tasks: N tasks.
        error_horizon: longest open-loop rollout for the model's error, model steps.
        gather: see ``Gather``.
        rank: this process, 0..world_size - 1.
        world_size: number of processes.
        keys: observations to keep in addition to state and goals.
        progress: name of a progress bar; None shows none.
        num_processes: processes that step the environment for this one; the result is the same.

    Returns:
        The outcome of all N tasks.
    """
    rows, model = np.arange(rank, len(tasks), world_size), policy.world_model
    at_once = min(max(len(rows), 1), tasks_at_once(tasks, model, keys))
    envs = make_vector_env(tasks.env_id, at_once, tasks.env_kwargs, num_processes)
    try:
        part = None
        if len(rows):
            part = play(
                policy,
                envs,
                tasks.select(rows),
                rows=rows,
                world_model=model,
                error_horizon=error_horizon,
                max_steps=policy.agent.planner.horizon * model.action_block if group.open_loop else None,
                keys=keys,
                progress=progress,
            )
        parts = [part for part in gather(part) if part is not None]
        result = conclude(Played.join(parts), policy, envs, tasks, world_model=model)
        background = optional_method(envs, "background")
        return Executed(
            group=group,
            tasks=tasks,
            trajectories=result.trajectories,
            imagined=result.imagined,
            success=result.success,
            believed=result.records.get("believed"),
            final_distance=result.records.get("final_distance"),
            errors=_errors(result.errors),
            seconds=max(part.effort.seconds for part in parts),
            background=None if background is None else background(),
            radius=result.radius,
        )
    finally:
        envs.close()


def _errors(errors: dict[str, ModelError]) -> dict[str, NDArray[np.float64]]:
    found = {f"model_error_{name}": error.open_loop for name, error in errors.items()}
    found |= {f"latent_error_{name}": error.latent_open_loop for name, error in errors.items()}
    return {name: error for name, error in found.items() if error is not None}


def summarise(executed: Sequence[Executed]) -> dict[str, float]:
    """Average a round over its tasks.

    Args:
        executed: the outcome of each group of the round's tasks, at least one.

    Returns:
        ``success`` with its 95 % Wilson interval ``success_low`` and ``success_high``, ``believed_success``,
        ``final_distance``, ``latent_error_planned``, ``model_error_planned``, and where the environment has an expert
        ``latent_error_expert``, ``model_error_expert`` and ``gap``, the error along the plans minus that along the
        expert's paths; ``seconds_planning``; and ``success/<group>``. Metrics that are not known are left out.
    """
    counts = [len(part.tasks) for part in executed]

    def mean(values: Sequence[float]) -> float:
        return float(np.average(values, weights=counts))

    low, high = wilson_interval(sum(int(part.success.sum()) for part in executed), sum(counts))
    summary = {
        "success": mean([float(part.success.mean()) for part in executed]),
        "success_low": low,
        "success_high": high,
    }
    believed = [part.believed for part in executed if part.believed is not None]
    distances = [part.final_distance for part in executed if part.final_distance is not None]
    for name, columns in (("believed_success", believed), ("final_distance", distances)):
        if len(columns) == len(executed):
            summary[name] = mean([float(column.mean()) for column in columns])
    for name in executed[0].errors:
        errors = np.concatenate([part.errors[name] for part in executed])
        if not np.isnan(errors).all():
            summary[name] = float(np.nanmean(errors))
    if {"model_error_planned", "model_error_expert"} <= summary.keys():
        summary["gap"] = summary["model_error_planned"] - summary["model_error_expert"]
    summary["seconds_planning"] = sum(part.seconds for part in executed)
    return summary | {f"success/{part.group.name}": float(part.success.mean()) for part in executed}
