"""The terminal cost."""

from dataclasses import dataclass

from torch import Tensor

from gbplan.objectives.objective import Objective


@dataclass(frozen=True)
class GoalMSE(Objective):
    """Mean squared error between the last prediction and the goal, the mean taken over all goal dimensions.

    ``cost = mean((predicted_H - goal)^2)``. Only step H counts, so an agent that replans with a fixed horizon may
    postpone its arrival for ever: shrink the horizon, or use ``ReachGoal``.

    Source: arXiv 2512.09929, Algorithm 1, whose code takes the mean.
    """

    def __call__(self, predicted: Tensor, goal: Tensor, actions: Tensor) -> Tensor:
        """Cost of each row, ``(B,)``; see ``Objective``."""
        return (predicted[:, -1] - goal).square().flatten(1).mean(1)
