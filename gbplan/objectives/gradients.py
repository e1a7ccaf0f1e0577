"""Costs with their gradients: in closed form for the objectives of this room, by autograd for any other.

With few rows, autograd's bookkeeping takes longer than the model.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from gbplan.objectives.goal_mse import GoalMSE
from gbplan.objectives.objective import Objective
from gbplan.objectives.reach_goal import ReachGoal
from gbplan.objectives.scaled import Scaled
from gbplan.objectives.weighted_goal_loss import WeightedGoalLoss


def cost_and_gradients(
    objective: Objective, predicted: Tensor, goal: Tensor, actions: Tensor
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Cost of each row and its gradients.

    Args:
        objective: the objective; a subclass of a known one is differentiated by autograd, because its cost may differ.
        predicted: ``(B, H, *G)``, see ``Objective`` for all three. No tensor may require gradients.
        goal: ``(B, *G)``.
        actions: ``(B, H, A)``.

    Returns:
        Cost ``(B,)``, and its gradients with respect to ``predicted`` ``(B, H, *G)`` and ``actions`` ``(B, H, A)``, the
        latter None if the cost does not depend on actions. All are detached.
    """
    if type(objective) is Scaled:
        weights = objective.weights(goal)
        cost, gradient, of_actions = cost_and_gradients(
            objective.objective, predicted * weights, goal * weights, actions
        )
        return cost, gradient.mul_(weights), of_actions
    known = _KNOWN.get(type(objective))
    if known is not None:
        return *known(objective, predicted, goal), None
    with torch.enable_grad():
        leaves = predicted.detach().requires_grad_(), actions.detach().requires_grad_()
        cost = objective(leaves[0], goal, leaves[1])
    grad_predicted, grad_actions = torch.autograd.grad(cost, leaves, torch.ones_like(cost), allow_unused=True)
    return cost.detach(), torch.zeros_like(predicted) if grad_predicted is None else grad_predicted, grad_actions


def reads_last_only(objective: Objective) -> bool:
    """Whether the cost is known to depend on the last prediction alone, so that only that one is decoded."""
    while type(objective) is Scaled:
        objective = objective.objective
    return type(objective) is GoalMSE


def _goal_mse(objective: GoalMSE, predicted: Tensor, goal: Tensor) -> tuple[Tensor, Tensor]:
    gradient = torch.zeros_like(predicted)
    away = torch.sub(predicted[:, -1], goal, out=gradient[:, -1])
    cost = away.square().flatten(1).mean(1)
    away *= 2 / math.prod(away.shape[1:])
    return cost, gradient


def _reach_goal(objective: ReachGoal, predicted: Tensor, goal: Tensor) -> tuple[Tensor, Tensor]:
    """The gradient is ``2 (predicted_t - goal)`` times a softmin over time."""
    away = predicted - goal[:, None]
    flat = away.flatten(2)
    closeness = flat.square().sum(2) / -objective.tau  # (B, H)
    weights = closeness.softmax(1)
    cost = -objective.tau * (closeness.logsumexp(1) - math.log(away.shape[1]))
    return cost, (flat * weights.mul_(2)[..., None]).view(away.shape)


def _weighted_goal_loss(objective: WeightedGoalLoss, predicted: Tensor, goal: Tensor) -> tuple[Tensor, Tensor]:
    away = (predicted - goal[:, None]).flatten(2)  # (B, H, everything)
    weights = objective.weights(away.shape[1], away.device).to(away)
    weighted = away * (weights / away.shape[2])[:, None]
    return (weighted * away).sum((1, 2)), (2 * weighted).view(predicted.shape)


# Looked up by exact type, because a subclass may compute another cost.
_KNOWN: dict[type[Objective], Callable[..., tuple[Tensor, Tensor]]] = {
    GoalMSE: _goal_mse,
    ReachGoal: _reach_goal,
    WeightedGoalLoss: _weighted_goal_loss,
}
