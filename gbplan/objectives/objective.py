"""The interface of objectives: costs of predicted trajectories."""

from abc import ABC, abstractmethod

from torch import Tensor


class Objective(ABC):
    """Cost of a predicted trajectory given a goal; lower is better, zero if every step is at the goal.

    Rows are independent, and the cost is differentiable in ``predicted`` and ``actions``. Objectives have no state: one
    object may be used for many problems.
    """

    @abstractmethod
    def __call__(self, predicted: Tensor, goal: Tensor, actions: Tensor) -> Tensor:
        """Cost of each row.

        Args:
            predicted: predicted achieved goals at steps 1..H, ``(B, H, *G)``, in goal space (for states: environment
                units). The present frame is excluded: no action can change it.
            goal: the goals, ``(B, *G)``.
            actions: the actions, ``(B, H, A)``, in environment units.

        Returns:
            Cost, ``(B,)``.
        """
