"""Evaluates a policy on tasks, by the environment's own success."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from numpy.typing import NDArray

from gbplan.data import Trajectories
from gbplan.envs import Policy, optional_method
from gbplan.envs.contract import name_of
from gbplan.evaluation.diagnostics.diagnose import LARGEST, diagnose
from gbplan.evaluation.diagnostics.landscape import Landscape
from gbplan.evaluation.diagnostics.model_error import ModelError
from gbplan.evaluation.goal_region import success_radius
from gbplan.evaluation.outcomes import outcomes, task_records
from gbplan.evaluation.played import STATE, Played, episodes_of, play
from gbplan.evaluation.task_set import Tasks
from gbplan.networks import WorldModel
from gbplan.policies import ExpertPolicy, PlannerPolicy, RandomPolicy
from gbplan.policies.action_bounds import action_bounds
from gbplan.policies.plan_record import PlanningEffort


@dataclass(frozen=True)
class EvaluationResult:
    """The result of a policy on N tasks.

    Attributes:
        metrics: nested dict of plain numbers, see ``evaluate``; None for metrics that do not apply.
        records: one column per per-task quantity, ``(N,)`` each, see ``task_records``.
        trajectories: the executed episodes, in the tasks' order, with the observations chosen in ``evaluate``.
        imagined: predicted path of the first plan of each task, in the environment's goal space, ``(N, H, *G)``, by
            model steps; None for policies that do not plan and for models without a probe.
        radius: distance to the goal within which it counts as reached, environment units; None where success is not a
            matter of distance.
        landscape: planning losses of model and truth around the first task's plan; None if not measured.
        errors: the model's errors along each ``planned`` and ``expert`` episode; empty without a model.
    """

    metrics: dict[str, Any]
    records: dict[str, NDArray]
    trajectories: Trajectories
    imagined: NDArray | None
    radius: float | None = None
    landscape: Landscape | None = None
    errors: dict[str, ModelError] = field(default_factory=dict)

    @property
    def success(self) -> NDArray[np.bool_]:
        """Which tasks succeeded, ``(N,)``."""
        succeeded: NDArray[np.bool_] = self.records["first_hit"] >= 0
        return succeeded

    def summary(self) -> str:
        """One line: success with interval, belief, distance, and time per plan."""
        success = self.metrics["success"]
        parts = [
            f"success {100 * success['rate']:.1f} % "
            f"[{100 * success['low']:.1f}, {100 * success['high']:.1f}] of {self.metrics['count']}"
        ]
        if self.metrics["believed_success"] is not None:
            parts.append(f"believed {100 * self.metrics['believed_success']['rate']:.1f} %")
        if self.metrics["final_distance"] is not None:
            parts.append(f"final distance {self.metrics['final_distance']['mean']:.3f}")
        if self.metrics["planning"] is not None:
            parts.append(f"{1000 * self.metrics['planning']['seconds_per_plan']:.1f} ms per plan")
        return ", ".join(parts)


def evaluate(
    policy: Policy,
    envs: gym.vector.VectorEnv,
    tasks: Tasks,
    *,
    thresholds: Sequence[float] = (),
    world_model: WorldModel | None = None,
    error_horizon: int = 25,
    max_steps: int | None = None,
    diagnostic_tasks: int = 0,
    keys: Sequence[str] = (),
    progress: str | None = None,
) -> EvaluationResult:
    """Run a policy on every task and measure the true outcome.

    A task is solved at the first step at which the environment reports that the goal is reached,
    ``info["is_success"]``. The model's belief is reported beside it, never instead: ``believed_success``, whether its
    rollout of the first plan reaches the goal.

    Args:
        policy: the policy, which acts in all rows at once.
        envs: goal-conditioned, autoreset disabled; tasks are run ``num_envs`` at a time, which bounds the pictures in
            memory.
        tasks: N tasks.
        thresholds: distances to the goal, environment units, ascending, at which success is reported beside the
            environment's own; only where its goals are metric.
        world_model: the model whose errors are measured along expert and executed trajectories; None takes that of a
            ``PlannerPolicy``.
        error_horizon: longest open-loop rollout for the model's error, model steps.
        max_steps: cut the policy's episodes off after this many steps; None: only the environment ends them.
        diagnostic_tasks: number of tasks, from the first on, for diagnostics of the model's gradients and smoothness; 0
            leaves them out. Policies that do not plan have no diagnostics.
        keys: observations to keep in ``trajectories`` in addition to state and goals; pictures of all frames take much
            memory.
        progress: name of a progress bar to show on standard error; None shows none.

    Returns:
        Metrics ``count``; ``success`` (rate, Wilson bounds, count), ``within`` (the same by threshold) and
        ``believed_success``; ``final_distance``; ``steps_to_success`` (of successes); ``spl``; ``contacts`` (at how
        many steps of an episode the info entry ``contact`` is true; None without such entries); ``model_error`` (one
        step, open loop, and open loop by step, on the expert's and on the executed trajectories of these tasks,
        environment units, and the same in latents; each step's mean is over tasks whose trajectories both last as long
        as the whole list); ``planning``
        (plans, seconds per plan and task, tasks planned together, model calls per plan, mean cost of the first plans
        under the model); ``gradient_alignment``, ``input_smoothness`` and ``landscape``, see
        ``gbplan.evaluation.diagnostics.diagnose.Diagnostics``; and ``missing``, the reasons for metrics that are None.

    Raises:
        ValueError: thresholds are not ascending and positive, or the environment's goals have no distance; a task
            begins solved; or ``diagnostic_tasks`` is negative.
        TypeError: one of the first three arguments is of another kind, such as an agent without its model.
    """
    _require_types(policy, envs, tasks)
    require_measurable(envs, thresholds, diagnostic_tasks)
    if world_model is None and isinstance(policy, PlannerPolicy):
        world_model = policy.world_model
    played = play(
        policy,
        envs,
        tasks,
        world_model=world_model,
        error_horizon=error_horizon,
        max_steps=max_steps,
        keys=keys,
        progress=progress,
    )
    return conclude(
        played, policy, envs, tasks, thresholds=thresholds, world_model=world_model, diagnostic_tasks=diagnostic_tasks
    )


def _require_types(policy: object, envs: object, tasks: object) -> None:
    for name, value, kind, cure in (
        ("policy", policy, Policy, "agent.policy(world_model) makes one of an Agent"),
        ("envs", envs, gym.vector.VectorEnv, "make one with gymnasium.make_vec or gbplan.data.make_vector_env"),
        ("tasks", tasks, Tasks, "TaskSet(...).draw() draws them"),
    ):
        if not isinstance(value, kind):
            raise TypeError(f"{name} must be a {kind.__name__}, got {type(value).__name__}; {cure}")


def require_measurable(envs: gym.vector.VectorEnv, thresholds: Sequence[float], diagnostic_tasks: int) -> None:
    """Check an evaluation's settings.

    Raises:
        ValueError: see ``evaluate``.
    """
    if list(thresholds) != sorted(set(thresholds)) or not all(threshold > 0 for threshold in thresholds):
        raise ValueError(f"thresholds must be positive and ascending, got {list(thresholds)}")
    if thresholds and optional_method(envs, "goal_distance") is None:
        raise ValueError(
            f"thresholds need distances between goals, which {name_of(envs)} does not have; leave them out, or give "
            "the environment a method goal_distance"
        )
    if thresholds:
        drawn, _ = envs.reset(seed=0)
        radius = success_radius(envs, drawn["achieved_goal"][0], drawn["desired_goal"][0])
        if radius is not None and thresholds[0] < radius * (1 - 1e-6):
            raise ValueError(
                f"thresholds must not be below the distance of {radius:.4g} at which {name_of(envs)} counts a goal as "
                f"reached, got {thresholds[0]}; leave it out"
            )
    if diagnostic_tasks < 0:
        raise ValueError(f"diagnostic_tasks must not be negative, got {diagnostic_tasks}")


def conclude(
    played: Played,
    policy: Policy,
    envs: gym.vector.VectorEnv,
    tasks: Tasks,
    *,
    thresholds: Sequence[float] = (),
    world_model: WorldModel | None = None,
    diagnostic_tasks: int = 0,
) -> EvaluationResult:
    """Compute the result of tasks that one or several processes have run; see ``evaluate``."""
    trajectories, believed = played.trajectories, played.imagined
    records = task_records(trajectories, tasks, envs, thresholds, believed)
    if played.costs is not None:
        records["believed_cost"] = played.costs.astype(np.float64)
    diagnostics: dict[str, Any] = dict.fromkeys(("gradient_alignment", "input_smoothness", "landscape"))
    around_plan = None
    if diagnostic_tasks and isinstance(policy, PlannerPolicy) and played.plans is not None:
        first = tasks.select(np.arange(min(diagnostic_tasks, len(tasks))))
        begun = episodes_of(RandomPolicy(), first, envs, None, max_steps=1)
        expert = None
        if optional_method(envs, "expert") is not None:  # run again: pictures of all tasks would not fit into memory
            expert = episodes_of(ExpertPolicy(), first, envs, (*STATE, *policy.world_model.encoder.observation_keys))
        found = diagnose(
            policy,
            _truth(envs),
            tasks,
            played.plans,
            {key: values[begun.starts] for key, values in begun.observations.items()},
            trajectories,
            expert,
            action_bounds(envs),
            diagnostic_tasks,
            optional_method(envs, "goal_distance") is not None,
        )
        diagnostics, around_plan = found.metrics, found.landscape
        for horizon, cosine in found.cosine.items():
            records[f"cosine@{horizon}"] = np.pad(cosine, (0, len(tasks) - len(cosine)), constant_values=np.nan)
    metrics = {
        "count": len(tasks),
        **outcomes(records, thresholds),
        "model_error": None if world_model is None else _errors(played.errors, world_model.action_block),
        "planning": _planning(played.effort, envs.num_envs, records),
        **diagnostics,
    }
    return EvaluationResult(
        metrics=metrics | {"missing": _missing(envs, world_model, trajectories.infos)},
        records=records,
        trajectories=trajectories,
        imagined=believed,
        radius=success_radius(envs, trajectories.observations["achieved_goal"][0], tasks.goals[0]),
        landscape=around_plan,
        errors=played.errors,
    )


def _missing(
    envs: gym.vector.VectorEnv, world_model: WorldModel | None, infos: Mapping[str, NDArray]
) -> dict[str, str]:
    """Give the reasons for metrics that are None, unless the kind of policy is the reason."""
    lacking = f"{name_of(envs)} has no"
    found: dict[str, str] = {}
    if optional_method(envs, "goal_distance") is None:
        found |= dict.fromkeys(("within", "final_distance", "gradient_alignment"), f"{lacking} goal_distance")
    if optional_method(envs, "shortest_path") is None:
        found["spl"] = f"{lacking} shortest_path"
    if "contact" not in infos:
        found["contacts"] = f"{lacking} contact in its info"
    if world_model is None:
        found.pop("gradient_alignment", None)
        return found
    if optional_method(envs, "expert") is None:
        found["expert"] = f"{lacking} expert"
    if optional_method(envs, "compute_success") is None:
        found["believed_success"] = f"{lacking} compute_success"
    if not world_model.has_probe:
        without = ("believed_success", "model_error", "gradient_alignment", "landscape")
        found |= dict.fromkeys(without, f"a model of {type(world_model.encoder).__name__} without a probe does not say")
    if prod(world_model.latent_shape) > LARGEST:
        found["input_smoothness"] = f"a latent has more than {LARGEST} dimensions"
    return found


def _errors(errors: dict[str, ModelError], action_block: int) -> dict[str, Any]:
    """Mean errors of the model on the executed trajectories, and on the expert's if there is an expert."""
    horizon = errors["planned"].horizon
    return {"horizon": horizon, "horizon_environment_steps": horizon * action_block} | {
        name: {
            "one_step": _mean(error.one_step),
            "open_loop": _mean(error.open_loop),
            "by_step": by_step,
            "latent_one_step": _mean(error.latent_one_step),
            "latent_open_loop": _mean(error.latent_open_loop),
        }
        for (name, error), by_step in zip(errors.items(), _by_step(list(errors.values())), strict=True)
    }


def _by_step(errors: list[ModelError]) -> list[list[float] | None]:
    """Means by step, over tasks whose errors are all long enough: late steps only occur in hard tasks."""
    columns = [error.by_step for error in errors if error.by_step is not None]
    if len(columns) < len(errors):
        return [None] * len(errors)
    steps = min(column.shape[1] for column in columns)
    missing = np.any([np.isnan(column[:, :steps]) for column in columns], axis=0)
    steps = int((~missing).any(0).sum())
    return [np.ma.array(column[:, :steps], mask=missing[:, :steps]).mean(0).tolist() for column in columns]


def _mean(errors: NDArray[np.float64] | None) -> float | None:
    return None if errors is None or np.isnan(errors).all() else float(np.nanmean(errors))


def _truth(envs: gym.vector.VectorEnv) -> WorldModel | gym.vector.VectorEnv:
    """The environment's dynamics, in differentiable form if it exists."""
    simulator = optional_method(envs, "simulator")
    if simulator is None:
        return envs
    with torch.inference_mode(False):  # otherwise its tensors could not be part of a gradient
        model: WorldModel = simulator()
    return model


def _planning(effort: PlanningEffort, tasks_at_once: int, records: dict[str, NDArray]) -> dict[str, Any] | None:
    """Average time and model calls of a plan for one task, and cost of the first plans; None without plans."""
    if not effort.plans:
        return None
    return {
        "plans": effort.plans,
        "seconds_per_plan": effort.seconds / effort.plans,
        "tasks_at_once": tasks_at_once,
        "model_calls_per_plan": effort.model_calls / effort.plans,
        "first_cost": float(records["believed_cost"].mean()),
    }
