"""Agreement of landscapes: whether a world model ranks plans as the truth does."""

from collections.abc import Mapping
from dataclasses import dataclass

import gymnasium as gym
import numpy as np
import torch
from numpy.typing import NDArray
from torchmetrics.functional import spearman_corrcoef

from gbplan.data import Trajectories
from gbplan.evaluation.diagnostics.landscape import Landscape, landscape
from gbplan.evaluation.task_set import Tasks
from gbplan.networks import WorldModel
from gbplan.networks.eval_mode import eval_mode
from gbplan.objectives.staged import at_step
from gbplan.planners import PlanningProblem
from gbplan.policies import PlannerPolicy

POINTS = 21  # per side; with the default extent the three plans are among them


@dataclass(frozen=True)
class LandscapeAgreement:
    """Planning losses of ``model`` and ``truth`` around the plans of n tasks.

    Attributes:
        losses: one landscape per task.
        rank_correlation: Spearman's, between the two losses over the points of a landscape, mean over the tasks:
            1 where the model ranks all plans as the truth does.
    """

    losses: list[Landscape]
    rank_correlation: float


def landscape_agreement(
    policy: PlannerPolicy,
    truth: WorldModel | gym.vector.VectorEnv,
    tasks: Tasks,
    observations: Mapping[str, NDArray],
    plans: NDArray[np.floating],
    expert: Trajectories | None,
    bounds: tuple[NDArray, NDArray],
    count: int,
) -> LandscapeAgreement:
    """Compare the planning losses on planes through the expert's actions and two plans of the model.

    Args:
        policy: the policy with model and agent.
        truth: the true dynamics: a differentiable simulator, or an environment whose ``reset`` sets states, in which
            only one task is measured.
        tasks: N tasks; the first ones are used.
        observations: the environment's observations at their start, ``(N, ...)`` per key.
        plans: the model actions planned there, ``(N, H, A')``; the second plan is made with another seed.
        expert: the expert's episodes of these tasks, whose actions are the plane's origin; None: the origin is zero
            actions, or the bounds nearest to zero.
        bounds: lowest and highest environment actions, ``(A,)`` each.
        count: n, upper limit of tasks, >= 1.

    Returns:
        The landscapes and their agreement.
    """
    count = min(count, len(tasks)) if isinstance(truth, WorldModel) else 1
    block = policy.world_model.action_block
    seen = {key: values[:count] for key, values in observations.items()}
    others = _plan_again(policy, seen, bounds)
    losses = []
    for task in range(count):
        reference = np.clip(np.zeros((block * plans.shape[1], len(bounds[0]))), *bounds)
        if expert is not None:
            taken = expert.actions[expert.starts[task] :][: expert.lengths[task]][: len(reference)]
            reference[: len(taken)] = taken
        losses.append(
            landscape(
                {"model": policy.world_model},
                at_step(policy.agent.objective, 0),
                tasks.select(np.array([task])),
                reference.reshape(plans.shape[1:]),
                plans[task],
                others[task],
                truth=truth,
                observations={key: values[task : task + 1] for key, values in seen.items()},
                low=bounds[0],
                high=bounds[1],
                points=POINTS,
            )
        )
    return LandscapeAgreement(losses, float(np.mean([_rank_correlation(found) for found in losses])))


def _plan_again(
    policy: PlannerPolicy, observations: Mapping[str, NDArray], bounds: tuple[NDArray, NDArray]
) -> NDArray[np.float32]:
    model, agent = policy.world_model, policy.agent
    present = {key: values[:, None] for key, values in observations.items()}
    with eval_mode(model):
        problem = PlanningProblem.from_observations(model, at_step(agent.objective, 0), present, bounds=bounds)
        plan = agent.planner.plan(problem, generator=torch.Generator().manual_seed(agent.seed + 1))
    actions: NDArray[np.float32] = plan.actions.float().cpu().numpy()
    return actions


def _rank_correlation(found: Landscape) -> float:
    model, truth = (torch.from_numpy(found.loss[name].ravel()) for name in ("model", "truth"))
    return float(spearman_corrcoef(model, truth))
