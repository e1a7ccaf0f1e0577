"""Soft minimum over time of the distance to the goal."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from gbplan import checks
from gbplan.objectives.objective import Objective


@dataclass(frozen=True)
class ReachGoal(Objective):
    """Soft minimum over time of the squared distance to the goal.

    With ``d_t`` the squared Euclidean distance (summed over goal dimensions) at step t,
    ``cost = -tau * log(mean_t(exp(-d_t / tau)))``, so ``min_t d_t <= cost <= min_t d_t + tau * log(H)``.

    The mean instead of a sum adds the constant ``tau * log(H)``, which changes no plan and makes the cost zero if every
    step is at the goal. Unlike a terminal cost it accepts any arrival time, and then rewards staying; unlike a mean
    over all steps it does not pull the early steps straight to the goal, through obstacles.

    Args:
        tau: temperature in squared goal units, > 0. Steps whose ``d_t`` exceeds the smallest one by much more than
            ``tau`` do not matter; as ``tau`` grows the cost tends to the mean over time.

    Raises:
        ValueError: ``tau`` is not positive and finite.
    """

    tau: float = 0.05

    def __post_init__(self) -> None:
        """Check the settings."""
        checks.positive(tau=self.tau)

    def __call__(self, predicted: Tensor, goal: Tensor, actions: Tensor) -> Tensor:
        """Cost of each row, ``(B,)``; see ``Objective``."""
        distance = (predicted - goal[:, None]).square().flatten(2).sum(2)  # (B, H)
        horizon = distance.shape[1]
        return -self.tau * (torch.logsumexp(-distance / self.tau, dim=1) - math.log(horizon))
