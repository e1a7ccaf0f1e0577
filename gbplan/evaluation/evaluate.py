"""Run a policy on tasks and say honestly how well it did."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from numpy.typing import NDArray
from tqdm.auto import tqdm

from gbplan.data import Trajectories, rollout
from gbplan.envs import Policy, offer
from gbplan.evaluation.diagnostics.diagnose import diagnose
from gbplan.evaluation.diagnostics.landscape import Landscape
from gbplan.evaluation.diagnostics.model_error import ModelError, model_error
from gbplan.evaluation.metrics import SPL, SuccessRate
from gbplan.evaluation.playback import batches
from gbplan.evaluation.task_set import Tasks
from gbplan.networks import WorldModel
from gbplan.policies import ExpertPolicy, PlannerPolicy
from gbplan.policies.action_bounds import action_bounds
from gbplan.policies.plan_record import PlanningEffort

THRESHOLDS = (0.1, 0.25, 0.5, 1.0)


@dataclass(frozen=True)
class EvaluationResult:
    """How a policy did on N tasks.

    Attributes:
        metrics: nested dict of plain numbers, see ``evaluate``; None where something does not apply.
        records: one column per per-task quantity, ``(N,)`` each.
        trajectories: the executed episodes, in the tasks' order.
        imagined: what the model predicted for the first plan of each task, in goal space, ``(N, H, *G)``; None for
            policies that do not plan.
        landscape: planning losses of model and truth around the first task's plan; None if not measured.
    """

    metrics: dict[str, Any]
    records: dict[str, NDArray]
    trajectories: Trajectories
    imagined: NDArray | None
    landscape: Landscape | None = None

    def summary(self) -> str:
        """One line: success with interval, belief, distance, and time per plan."""
        threshold, success = next(iter(self.metrics["success"].items()))
        parts = [
            f"success@{threshold} {100 * success['rate']:.1f} % "
            f"[{100 * success['low']:.1f}, {100 * success['high']:.1f}] of {self.metrics['count']}",
            f"final distance {self.metrics['final_distance']['mean']:.3f}",
        ]
        if self.metrics["believed_success"] is not None:
            parts.insert(1, f"believed {100 * self.metrics['believed_success']['rate']:.1f} %")
        if self.metrics["planning"] is not None:
            parts.append(f"{1000 * self.metrics['planning']['seconds_per_plan']:.1f} ms per plan")
        return ", ".join(parts)


def evaluate(
    policy: Policy,
    envs: gym.vector.VectorEnv,
    tasks: Tasks,
    *,
    thresholds: Sequence[float] = THRESHOLDS,
    world_model: WorldModel | None = None,
    error_horizon: int = 25,
    max_steps: int | None = None,
    diagnostic_tasks: int = 0,
    progress: str | None = None,
) -> EvaluationResult:
    """Run a policy on every task and measure what the environment saw.

    A success at a threshold is the first step at which the environment's ``achieved_goal`` is nearer to the goal than
    it; the model's word is reported beside it as ``believed_success`` (its first plan, rolled out by itself, comes
    that near), never instead.

    Args:
        policy: acts in all rows at once.
        envs: goal-conditioned, autoreset disabled; tasks are run ``num_envs`` at a time.
        tasks: N tasks.
        thresholds: goal distances in environment units, ascending; the first should be the environment's own, at
            which episodes end.
        world_model: whose errors to measure along expert and executed trajectories; None takes that of a
            ``PlannerPolicy``.
        error_horizon: longest open-loop rollout for the model's error, steps.
        max_steps: cut the policy's episodes off after so many steps; None: only the environment ends them.
        diagnostic_tasks: on how many of the tasks, the first ones, to measure the model's gradients and smoothness; 0
            leaves that out. Of policies that do not plan it is left out, too.
        progress: name of a progress bar to show on standard error; None shows none.

    Returns:
        Metrics ``count``; ``success`` and ``believed_success`` (per threshold and at the first one: rate, Wilson
        bounds, count); ``final_distance``; ``steps_to_success`` (of successes); ``spl``; ``wall_contacts`` (steps in
        contact per episode); ``model_error`` (one step, open loop, and open loop by step, on the expert's and on the
        executed trajectories of these tasks, goal space; by step, on the tasks in which both are so long);
        ``planning`` (plans, seconds per plan and task, tasks planned together, model calls per plan, mean cost of the
        first plans under the model); ``gradient_alignment`` and ``input_smoothness``, see
        ``gbplan.evaluation.diagnostics.diagnose.Diagnostics``.

    Raises:
        ValueError: thresholds are not ascending and positive or below the environment's own, a task starts within
            the largest one, or ``diagnostic_tasks`` is negative.
    """
    if not thresholds or list(thresholds) != sorted(set(thresholds)) or thresholds[0] <= 0:
        raise ValueError(f"thresholds must be positive and ascending, got {list(thresholds)}")
    if diagnostic_tasks < 0:
        raise ValueError(f"diagnostic_tasks must not be negative, got {diagnostic_tasks}")
    planner_policy = policy if isinstance(policy, PlannerPolicy) else None
    if world_model is None and planner_policy is not None:
        world_model = planner_policy.world_model

    time_limit = None if envs.spec is None else envs.spec.max_episode_steps
    longest = max_steps or time_limit
    parts: list[Trajectories] = []
    plans: list[NDArray] = []
    imagined: list[NDArray] = []
    costs: list[NDArray] = []
    efforts: list[PlanningEffort] = []
    for rows in batches(len(tasks), envs.num_envs):
        label = f"{progress}, {tasks.kind}"
        # At most; those who arrive sooner make it end sooner.
        with tqdm(desc=label, total=longest, unit="step", disable=progress is None, leave=False) as bar:

            def show(step: int, active: NDArray[np.bool_], bar: Any = bar) -> None:
                bar.update(1)
                bar.set_postfix_str(f"{int(active.sum())} of {len(active)} still on their way", refresh=False)

            episodes = rollout(
                envs,
                policy,
                seeds=tasks.seeds[rows].tolist(),
                states=tasks.states[rows],
                goals=tasks.goals[rows],
                max_steps=max_steps,
                on_step=show,
            )
        used = len(np.unique(rows))  # the last batch is filled up with repetitions of its first task
        parts.append(episodes.select(np.arange(used)))
        if planner_policy is not None and planner_policy.first_plan is not None:
            efforts.append(planner_policy.effort)
            plans.append(planner_policy.first_plan.actions[:used])
            if planner_policy.first_plan.predicted is not None:  # a model without a probe cannot say
                imagined.append(planner_policy.first_plan.predicted[:used])
            costs.append(planner_policy.first_plan.cost[:used])
    trajectories = Trajectories.concatenate(parts)
    believed = np.concatenate(imagined) if imagined else None
    records = _records(trajectories, tasks, envs, thresholds, believed)
    if costs:
        records["believed_cost"] = np.concatenate(costs).astype(np.float64)
    expert = None if world_model is None else _expert_trajectories(tasks, envs)
    diagnostics: dict[str, Any] = dict.fromkeys(("gradient_alignment", "input_smoothness", "landscape"))
    around_plan = None
    if diagnostic_tasks and planner_policy is not None and plans:
        found = diagnose(
            planner_policy,
            _truth(envs),
            tasks,
            np.concatenate(plans),
            trajectories,
            expert,
            action_bounds(envs),
            diagnostic_tasks,
        )
        diagnostics, around_plan = found.metrics, found.landscape
        for horizon, cosine in found.cosine.items():
            records[f"cosine@{horizon}"] = np.pad(cosine, (0, len(tasks) - len(cosine)), constant_values=np.nan)
    return EvaluationResult(
        metrics={
            "count": len(tasks),
            **_outcomes(records, thresholds),
            "model_error": None if world_model is None else _errors(world_model, trajectories, expert, error_horizon),
            "planning": _planning(efforts, envs.num_envs, records),
            **diagnostics,
        },
        records=records,
        trajectories=trajectories,
        imagined=believed,
        landscape=around_plan,
    )


def _records(
    trajectories: Trajectories,
    tasks: Tasks,
    envs: gym.vector.VectorEnv,
    thresholds: Sequence[float],
    believed: NDArray | None,
) -> dict[str, NDArray]:
    """Measure every episode by itself."""
    achieved = trajectories.observations["achieved_goal"].astype(np.float64)
    desired = trajectories.observations["desired_goal"].astype(np.float64)
    frames = len(achieved)
    distance = np.sqrt(((achieved - desired) ** 2).reshape(frames, -1).sum(1))
    if "distance" in trajectories.infos:  # the environment's own, before rounding to float32
        distance = trajectories.infos["distance"].astype(np.float64)
    columns: dict[str, list[float]] = {
        name: [] for name in ("start_distance", "final_distance", "minimum_distance", "steps", "path_length")
    }
    hits: dict[float, list[int]] = {threshold: [] for threshold in thresholds}
    for episode in trajectories.episodes():
        path, away = achieved[episode], distance[episode]
        columns["start_distance"].append(away[0])
        columns["final_distance"].append(away[-1])
        columns["minimum_distance"].append(away.min())
        columns["steps"].append(len(path) - 1)
        for threshold in thresholds:
            near = np.flatnonzero(away < threshold)
            hits[threshold].append(int(near[0]) if len(near) else -1)
        until = hits[thresholds[0]][-1]
        moves = np.diff(path[: until + 1] if until > 0 else path, axis=0)
        columns["path_length"].append(np.sqrt((moves**2).reshape(len(moves), -1).sum(1)).sum())
    records = {name: np.asarray(values) for name, values in columns.items()}
    ended = trajectories.terminated & (records["final_distance"] >= thresholds[0])
    if ended.any():
        raise ValueError(
            f"the environment ends episodes at a distance of {records['final_distance'][ended].max():.3g}, before the "
            f"first threshold {thresholds[0]} can be reached; begin with the environment's own threshold"
        )
    solved = records["start_distance"] < thresholds[-1]
    if solved.any():
        raise ValueError(
            f"tasks {np.flatnonzero(solved)[:5].tolist()} start within {thresholds[-1]} of their goal, the largest "
            f"threshold; draw tasks with min_distance={thresholds[-1]} or evaluate at smaller thresholds"
        )
    for threshold in thresholds:
        records[f"first_hit@{threshold:g}"] = np.asarray(hits[threshold])  # step; -1: never
    if believed is not None:
        goals = tasks.goals[:, None].astype(np.float64)
        apart = (believed - goals).reshape(*believed.shape[:2], -1)
        records["believed_distance"] = np.sqrt((apart**2).sum(-1)).min(1)
    if "contact" in trajectories.infos:
        contact = trajectories.infos["contact"]
        records["wall_contacts"] = np.asarray([int(contact[episode].sum()) for episode in trajectories.episodes()])
    shortest = offer(envs, "shortest_path")
    if shortest is not None:
        # success begins on the rim of the goal region, not at its centre
        records["shortest_path"] = np.asarray(shortest(tasks.states, tasks.goals)) - thresholds[0]
    return records


def _outcomes(records: dict[str, NDArray], thresholds: Sequence[float]) -> dict[str, Any]:
    """Aggregate the per-task records."""
    first_hit = records[f"first_hit@{thresholds[0]:g}"]
    success = first_hit >= 0
    spl = None
    if "shortest_path" in records:
        metric = SPL(sync_on_compute=False)  # of these tasks, whatever other processes do
        metric.update(
            *(torch.as_tensor(column) for column in (success, records["path_length"], records["shortest_path"]))
        )
        spl = float(metric.compute())
    return {
        "success": {f"{t:g}": _rate(records[f"first_hit@{t:g}"] >= 0) for t in thresholds},
        "believed_success": _rate(records["believed_distance"] < thresholds[0])
        if "believed_distance" in records
        else None,
        "final_distance": {
            "mean": float(records["final_distance"].mean()),
            "median": float(np.median(records["final_distance"])),
        },
        "steps_to_success": float(first_hit[success].mean()) if success.any() else None,
        "spl": spl,
        "wall_contacts": float(records["wall_contacts"].mean()) if "wall_contacts" in records else None,
    }


def _rate(success: NDArray[np.bool_]) -> dict[str, float]:
    metric = SuccessRate(sync_on_compute=False)
    metric.update(torch.as_tensor(success))
    low, high = metric.interval()
    return {"rate": float(metric.compute()), "low": low, "high": high, "successes": int(success.sum())}


def _expert_trajectories(tasks: Tasks, envs: gym.vector.VectorEnv) -> Trajectories | None:
    """The expert's episodes of these tasks; None where the environment has none."""
    if offer(envs, "expert") is None:
        return None
    parts = [
        rollout(
            envs,
            ExpertPolicy(),
            seeds=tasks.seeds[rows].tolist(),
            states=tasks.states[rows],
            goals=tasks.goals[rows],
        )
        for rows in batches(len(tasks), envs.num_envs)
    ]
    return Trajectories.concatenate(parts).select(np.arange(len(tasks)))


def _errors(
    world_model: WorldModel, executed: Trajectories, expert: Trajectories | None, horizon: int
) -> dict[str, Any]:
    """Model error on the executed trajectories and, where there is an expert, on its."""
    runs = {"planned": executed} | ({} if expert is None else {"expert": expert})
    found = {name: model_error(world_model, trajectories, horizon) for name, trajectories in runs.items()}
    return {"horizon": horizon} | {
        name: {
            "one_step": _mean(error.one_step),
            "open_loop": _mean(error.open_loop),
            "by_step": by_step,
            "latent_one_step": _mean(error.latent_one_step),
            "latent_open_loop": _mean(error.latent_open_loop),
        }
        for (name, error), by_step in zip(found.items(), _by_step(list(found.values())), strict=True)
    }


def _by_step(errors: list[ModelError]) -> list[list[float] | None]:
    """Means by step, over the tasks in which all errors are so long: the late steps are those of hard tasks."""
    columns = [error.by_step for error in errors if error.by_step is not None]
    if len(columns) < len(errors):
        return [None] * len(errors)
    steps = min(column.shape[1] for column in columns)
    missing = np.any([np.isnan(column[:, :steps]) for column in columns], axis=0)
    steps = int((~missing).any(0).sum())
    return [np.ma.array(column[:, :steps], mask=missing[:, :steps]).mean(0).tolist() for column in columns]


def _mean(errors: NDArray[np.float64] | None) -> float | None:
    return None if errors is None else float(np.nanmean(errors))


def _truth(envs: gym.vector.VectorEnv) -> WorldModel | gym.vector.VectorEnv:
    """The environment's dynamics, in differentiable form where there is one."""
    simulator = offer(envs, "simulator")
    if simulator is None:
        return envs
    with torch.inference_mode(False):  # else its tensors could take no part in a gradient
        model: WorldModel = simulator()
    return model


def _planning(
    efforts: Sequence[PlanningEffort], tasks_at_once: int, records: dict[str, NDArray]
) -> dict[str, Any] | None:
    """Average time and model calls of one plan of one task, and cost of the first ones; None without plans."""
    plans = sum(effort.plans for effort in efforts)
    if not plans:
        return None
    return {
        "plans": plans,
        "seconds_per_plan": sum(effort.seconds for effort in efforts) / plans,
        "tasks_at_once": tasks_at_once,
        "model_calls_per_plan": sum(effort.model_calls for effort in efforts) / plans,
        "first_cost": float(records["believed_cost"].mean()),
    }
