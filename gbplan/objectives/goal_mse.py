"""The terminal cost."""

import math

import torch
from torch import Tensor

from gbplan.objectives.objective import Objective


class GoalMSE(Objective):
    """Mean squared error between the last prediction and the goal, the mean taken over all goal dimensions.

    ``cost = mean((predicted_H - goal)^2)``. It asks to be at the goal at step H exactly, so under replanning with a
    fixed horizon the agent may put its arrival off for ever: shrink the horizon, or use ``ReachGoal``.

    Source: arXiv 2512.09929, Algorithm 1, whose code takes the mean.
    """

    @property
    def reads_last_only(self) -> bool:
        """It does; a subclass with another cost may not."""
        return type(self).__call__ is GoalMSE.__call__

    def __call__(self, predicted: Tensor, goal: Tensor, actions: Tensor) -> Tensor:
        """Cost of each row, ``(B,)``; see ``Objective``."""
        return (predicted[:, -1] - goal).square().flatten(1).mean(1)

    def with_gradients(self, predicted: Tensor, goal: Tensor, actions: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """Cost and gradients; see ``Objective``."""
        if type(self).__call__ is not GoalMSE.__call__:
            return super().with_gradients(predicted, goal, actions)
        gradient = torch.zeros_like(predicted)
        away = torch.sub(predicted[:, -1], goal, out=gradient[:, -1])
        cost = away.square().flatten(1).mean(1)
        away *= 2 / math.prod(away.shape[1:])
        return cost, gradient, None
