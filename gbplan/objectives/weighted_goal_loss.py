"""The paper's weighted goal loss."""

import math
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from gbplan import checks
from gbplan.objectives.objective import Objective

Weighting = Literal["increasing", "decreasing", "staged"]


@dataclass(frozen=True)
class WeightedGoalLoss(Objective):
    """Weighted sum over steps of the mean squared error between prediction and goal.

    ``cost = sum_{i=1..H} w_i * mean((predicted_i - goal)^2)`` with ``sum_i w_i = 1`` and

    - ``increasing``: ``w_i`` proportional to ``base^i``, base 2: the last steps count most;
    - ``decreasing``: ``w_i`` proportional to ``base^-i``, base 2: the first steps count most;
    - ``staged``: all weight on step H until H steps of the episode have been executed, ``decreasing`` from then on:
      by then the goal may well be closer than H steps.

    The weights of Eq. 9 are not given in the paper. These are the three forms in the authors' code and their base
    planner, with two differences: frame 0, the present, is left out, because no action can change it; and the code's
    division by the number of frames, which only affects the step size of plain gradient descent, is left out. Their
    staged form counts replans; they replan after each step, so counting steps is the same there.

    Source: arXiv 2512.09929, Eq. 9.

    Args:
        weighting: how the weight of a step depends on its index.
        base: ratio between the weights of neighbouring steps, >= 1; at 1 all steps weigh the same.
        step: model steps of the episode that have been executed, >= 0; a policy that replans sets it by ``at_step``.

    Raises:
        ValueError: ``weighting`` is unknown, or a number is out of range.
    """

    weighting: Weighting = "staged"
    base: float = 2.0
    step: int = 0

    def __post_init__(self) -> None:
        """Check the settings."""
        checks.one_of(Weighting, weighting=self.weighting)
        checks.at_least_one(base=self.base)
        checks.count(step=self.step)

    def at_step(self, step: int) -> "WeightedGoalLoss":
        """The same loss, for a plan made after ``step`` executed model steps."""
        return replace(self, step=step)

    def weights(self, horizon: int, device: torch.device | None = None) -> Tensor:
        """Weights of steps 1..H, ``(H,)``, float64, summing to 1."""
        index = torch.arange(1, horizon + 1, dtype=torch.float64, device=device)
        if self.weighting == "staged" and self.step < horizon:
            return (index == horizon).double()
        sign = 1.0 if self.weighting == "increasing" else -1.0
        # softmax of the logarithms: base^H overflows for long horizons, its share of the sum does not.
        return torch.softmax(sign * math.log(self.base) * index, dim=0)

    def __call__(self, predicted: Tensor, goal: Tensor, actions: Tensor) -> Tensor:
        """Cost of each row, ``(B,)``; see ``Objective``."""
        error = (predicted - goal[:, None]).square().flatten(2).mean(2)  # (B, H)
        return (error * self.weights(error.shape[1], error.device).to(error)).sum(1)
