"""What an objective is: a cost of a predicted trajectory."""

from abc import ABC, abstractmethod

from torch import Tensor


class Objective(ABC):
    """Cost of a predicted trajectory given a goal; lower is better, zero if the goal is held throughout.

    Rows are independent, and the cost is differentiable in ``predicted`` and ``actions``. Objectives hold no state:
    one object may serve many problems.
    """

    @abstractmethod
    def __call__(self, predicted: Tensor, goal: Tensor, actions: Tensor) -> Tensor:
        """Cost of each row.

        Args:
            predicted: what the model says is achieved at steps 1..H, ``(B, H, *G)``, in goal space (for states:
                environment units). The present frame is not among them: no action can change it.
            goal: what is to be achieved, ``(B, *G)``.
            actions: the actions that lead there, ``(B, H, A)``, in environment units.

        Returns:
            Cost, ``(B,)``.
        """
