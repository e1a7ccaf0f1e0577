"""Being at the goal at some step, whichever."""

import math

import torch
from torch import Tensor

from gbplan.objectives.objective import Objective


class ReachGoal(Objective):
    """Soft minimum over time of the squared distance to the goal.

    With ``d_t`` the squared Euclidean distance (summed over goal dimensions) at step t,
    ``cost = -tau * log(mean_t(exp(-d_t / tau)))``, hence ``min_t d_t <= cost <= min_t d_t + tau * log(H)``.

    The mean instead of a sum adds the constant ``tau * log(H)``: it moves no plan and makes holding the goal cost zero.
    Unlike a terminal cost it is content with any arrival time, and then rewards staying; unlike a mean over all steps
    it does not pull the early steps straight at the goal, through whatever stands in between.
    """

    def __init__(self, tau: float = 0.05) -> None:
        """Set the softness.

        Args:
            tau: temperature in squared goal units, > 0. Steps whose ``d_t`` exceeds the smallest one by much more than
                ``tau`` do not matter; as ``tau`` grows the cost tends to the mean over time.

        Raises:
            ValueError: ``tau`` is not positive and finite.
        """
        if not (tau > 0 and math.isfinite(tau)):
            raise ValueError(f"tau must be positive and finite, got {tau}")
        self.tau = tau

    def __call__(self, predicted: Tensor, goal: Tensor, actions: Tensor) -> Tensor:
        """Cost of each row, ``(B,)``; see ``Objective``."""
        distance = (predicted - goal[:, None]).square().flatten(2).sum(2)  # (B, H)
        horizon = distance.shape[1]
        return -self.tau * (torch.logsumexp(-distance / self.tau, dim=1) - math.log(horizon))

    def with_gradients(self, predicted: Tensor, goal: Tensor, actions: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """Cost and gradients, ``2 (predicted_t - goal)`` times a softmin over time; see ``Objective``."""
        if type(self).__call__ is not ReachGoal.__call__:
            return super().with_gradients(predicted, goal, actions)
        away = predicted - goal[:, None]
        horizon = away.shape[1]
        flat = away.flatten(2)
        distance = flat.square().sum(2)  # (B, H)
        closeness = distance / -self.tau
        weights = closeness.softmax(1)
        cost = -self.tau * (closeness.logsumexp(1) - math.log(horizon))
        return cost, (flat * weights.mul_(2)[..., None]).view(away.shape), None
