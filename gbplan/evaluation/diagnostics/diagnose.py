"""The mechanism of the gap, measured on the plans and data of an evaluation."""

from dataclasses import dataclass
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
from gbplan.evaluation.task_set import Tasks
from gbplan.networks import WorldModel
from gbplan.networks.eval_mode import eval_mode
from gbplan.policies import PlannerPolicy

LANDSCAPES = 8  # tasks whose planning losses are compared with the true ones on a plane of plans


@dataclass(frozen=True)
class Diagnostics:
    """What a model's gradients were worth on n tasks.

    Attributes:
        metrics: ``gradient_alignment`` (``tasks``, and per horizon ``cosine`` and ``excluded``, see
            ``GradientAlignment.summary``), ``input_smoothness`` (for ``planned`` and ``expert``, see
            ``InputSmoothness.summary``) and ``landscape`` (``tasks``, and ``rank_correlation``, see
            ``landscape_agreement``).
        cosine: the cosine of each task by horizon, ``(n,)``; NaN where there is none.
        landscape: the losses around the first task's plan, of ``model`` and ``truth``.
    """

    metrics: dict[str, Any]
    cosine: dict[int, NDArray[np.float64]]
    landscape: Landscape


def diagnose(
    policy: PlannerPolicy,
    truth: WorldModel | gym.vector.VectorEnv,
    tasks: Tasks,
    plans: NDArray[np.floating],
    executed: Trajectories,
    expert: Trajectories | None,
    bounds: tuple[NDArray, NDArray],
    count: int,
) -> Diagnostics:
    """Measure gradients on the first plans, and smoothness on the states imagined along them and on the expert's.

    Tasks are independent draws, so the first ones stand for all.

    Args:
        policy: has the model that was planned through.
        truth: the true dynamics, see ``gradient_alignment``. In an environment the finite differences take no more
            steps than the executed trajectories, but for one task at least: of slow environments fewer tasks are
            measured.
        tasks: N tasks.
        plans: the actions planned at the start, ``(N, H, A)``.
        executed: the episodes that came of them; their first frames are what the plans were made from.
        expert: the expert's episodes of these tasks; None: there is no expert.
        bounds: lowest and highest actions, ``(A,)`` each.
        count: n, the most tasks to measure, >= 1.

    Returns:
        The measurements.
    """
    world_model = policy.world_model
    count = min(count, len(tasks))
    horizons = [horizon for horizon in HORIZONS if horizon <= plans.shape[1]]
    compared = count
    if not isinstance(truth, WorldModel):
        replays = 1 + 2 * horizons[-1] * plans.shape[2]
        compared = max(1, min(count, executed.num_transitions // (replays * horizons[-1])))
    first = np.arange(compared)
    seen = {key: array[executed.starts[:compared]] for key, array in executed.observations.items()}
    alignment = gradient_alignment(
        world_model, truth, tasks.select(first), plans[:compared], horizons, observations=seen
    )

    landscapes = landscape_agreement(policy, truth, tasks, plans, expert, bounds, min(count, LANDSCAPES))
    points = {"planned": _imagined(world_model, executed, plans, count)}
    if expert is not None:
        points["expert"] = _visited(world_model, expert.select(np.arange(count)))
    return Diagnostics(
        metrics={
            "gradient_alignment": {"tasks": compared, **alignment.summary()},
            "input_smoothness": {name: input_smoothness(world_model, *at).summary() for name, at in points.items()},
            "landscape": {"tasks": len(landscapes.losses), "rank_correlation": landscapes.rank_correlation},
        },
        cosine=alignment.cosine,
        landscape=landscapes.losses[0],
    )


@torch.no_grad()
def _imagined(
    world_model: WorldModel, executed: Trajectories, plans: NDArray[np.floating], count: int
) -> tuple[Tensor, Tensor]:
    """Latents before each planned action, as the model imagines them, and those actions."""
    with eval_mode(world_model):
        context = _encode(world_model, executed, executed.starts[:count])[:, None]  # K = 1
        actions = torch.as_tensor(plans[:count]).to(context)
        latents = torch.cat([context, world_model.rollout(context, actions[:, :0], actions)[:, :-1]], dim=1)
    return latents.flatten(0, 1), actions.flatten(0, 1)


@torch.no_grad()
def _visited(world_model: WorldModel, trajectories: Trajectories) -> tuple[Tensor, Tensor]:
    """Latents before each action taken, and those actions."""
    frames = np.delete(np.arange(len(trajectories.actions)), np.cumsum(trajectories.lengths + 1) - 1)
    with eval_mode(world_model):
        latents = _encode(world_model, trajectories, frames)
    return latents, torch.as_tensor(trajectories.actions[frames]).to(latents)


def _encode(world_model: WorldModel, trajectories: Trajectories, frames: NDArray[np.int64]) -> Tensor:
    like = world_model.normalizer.latent_mean
    return world_model.encode(
        {
            key: torch.as_tensor(trajectories.observations[key][frames]).to(like)
            for key in world_model.encoder.observation_keys
        }
    )
