"""Runs the diagnostics on the plans and episodes of an evaluation."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gbplan.data import Trajectories
from gbplan.evaluation.diagnostics.gradient_alignment import HORIZONS, gradient_alignment
from gbplan.evaluation.diagnostics.input_smoothness import input_smoothness
from gbplan.evaluation.diagnostics.landscape import Landscape
from gbplan.evaluation.diagnostics.landscape_agreement import landscape_agreement
from gbplan.evaluation.diagnostics.model_error import encode_frames
from gbplan.evaluation.task_set import Tasks
from gbplan.networks import WorldModel
from gbplan.networks.eval_mode import eval_mode
from gbplan.networks.predictor import stretches
from gbplan.planners import PlanningProblem
from gbplan.policies import PlannerPolicy

LANDSCAPES = 8  # number of tasks whose planning losses are compared with the true ones
LARGEST = 256  # largest latent: the Jacobian takes one backward pass per dimension


@dataclass(frozen=True)
class Diagnostics:
    """Quality of a model's gradients on n tasks.

    Attributes:
        metrics: ``gradient_alignment`` (``tasks``, and per horizon ``cosine`` and ``excluded``, see
            ``GradientAlignment.summary``), ``input_smoothness`` (for ``planned`` and ``expert``, see
            ``InputSmoothness.summary``) and ``landscape`` (``tasks``, and ``rank_correlation``, see
            ``landscape_agreement``); each None if it was not measured.
        cosine: the cosine of each task by horizon, ``(n,)``; NaN where there is none.
        landscape: the losses around the first task's plan, of ``model`` and ``truth``; None where they cannot be
            compared.
    """

    metrics: dict[str, Any]
    cosine: dict[int, NDArray[np.float64]]
    landscape: Landscape | None


def diagnose(
    policy: PlannerPolicy,
    truth: WorldModel | gym.vector.VectorEnv,
    tasks: Tasks,
    plans: NDArray[np.floating],
    seen: Mapping[str, NDArray],
    executed: Trajectories,
    expert: Trajectories | None,
    bounds: tuple[NDArray, NDArray],
    count: int,
    metric_goals: bool = True,
) -> Diagnostics:
    """Measure gradients on the first plans, and smoothness on the states imagined along them and on the expert's.

    Tasks are independent draws, so the first ones represent all of them. Gradients and losses are compared with the
    true ones if the model has a probe; gradients only if the environment's goals are metric.

    Args:
        policy: the policy with the model that was planned through.
        truth: the true dynamics, see ``gradient_alignment``. In an environment, gradients are compared on so few tasks
            that finite differences take no more steps than the executed trajectories, but on at least one.
        tasks: N tasks.
        plans: the model actions planned at the start, ``(N, H, A')``.
        seen: observations at the start of the first tasks, n or more, ``(n, ...)`` per key.
        executed: the executed episodes.
        expert: the expert's episodes of these tasks; None: there is no expert.
        bounds: lowest and highest environment actions, ``(A,)`` each.
        count: n, upper limit of measured tasks, >= 1.
        metric_goals: whether the environment's goals are metric.

    Returns:
        The measurements.
    """
    world_model = policy.world_model
    count = min(count, len(tasks))
    seen = {key: array[:count] for key, array in seen.items()}
    metrics: dict[str, Any] = dict.fromkeys(("gradient_alignment", "input_smoothness", "landscape"))
    cosine, around_plan = {}, None
    if world_model.has_probe and metric_goals:
        horizons = [horizon for horizon in HORIZONS if horizon <= plans.shape[1]]
        compared = count
        if not isinstance(truth, WorldModel):
            steps = horizons[-1] * world_model.action_block
            plays = 1 + 2 * steps * world_model.env_action_dim
            compared = max(1, min(count, executed.num_transitions // (plays * steps)))
        first = {key: array[:compared] for key, array in seen.items()}
        alignment = gradient_alignment(
            world_model, truth, tasks.select(np.arange(compared)), plans[:compared], horizons, observations=first
        )
        metrics["gradient_alignment"] = {"tasks": compared, **alignment.summary()}
        cosine = alignment.cosine
    if world_model.has_probe:
        most = min(count, LANDSCAPES)
        landscapes = landscape_agreement(policy, truth, tasks, seen, plans, expert, bounds, most)
        metrics["landscape"] = {
            "tasks": len(landscapes.losses),
            "rank_correlation": landscapes.rank_correlation,
        }
        around_plan = landscapes.losses[0]
    if prod(world_model.latent_shape) <= LARGEST:
        points = {"planned": _imagined(policy, seen, plans[:count], bounds)}
        if expert is not None:
            points["expert"] = _visited(world_model, expert.select(np.arange(count)))
        metrics["input_smoothness"] = {
            name: input_smoothness(world_model, *at).summary() for name, at in points.items() if len(at[0])
        }
    return Diagnostics(metrics, cosine, around_plan)


@torch.no_grad()
def _imagined(
    policy: PlannerPolicy,
    seen: Mapping[str, NDArray],
    plans: NDArray[np.floating],
    bounds: tuple[NDArray, NDArray],
) -> tuple[Tensor, Tensor]:
    """The K latents up to each planned action, as the model imagines them, ``(n H, K, *D)``, and the actions there."""
    model = policy.world_model
    present = {key: values[:, None] for key, values in seen.items()}
    with eval_mode(model):
        problem = PlanningProblem.from_observations(model, policy.agent.objective, present, bounds=bounds)
        actions = torch.as_tensor(plans).to(problem.context)
        imagined = model.rollout(problem.context, problem.past_actions, actions)[:, :-1]
    latents = torch.cat([problem.context, imagined], dim=1)
    taken = torch.cat([problem.past_actions, actions], dim=1)
    return stretches(latents, model.history).flatten(0, 1), stretches(taken, model.history).flatten(0, 1)


@torch.no_grad()
def _visited(model: WorldModel, trajectories: Trajectories) -> tuple[Tensor, Tensor]:
    """The K latents up to each frame from which a whole block of actions was taken, and the actions there."""
    history, block = model.history, model.action_block
    ends = [np.arange(frames.start + (history - 1) * block, frames.stop - block) for frames in trajectories.episodes()]
    frames = np.concatenate(ends)[:, None] - block * np.arange(history)[::-1]  # (M, K)
    like = model.normalizer.latent_mean
    taken = torch.as_tensor(trajectories.actions[frames[:, :, None] + np.arange(block)]).to(like)
    if not len(frames):
        return like.new_zeros(0, history, *model.latent_shape), taken.flatten(2)
    with eval_mode(model):
        return encode_frames(model, trajectories, frames), taken.flatten(2)
