"""What an objective is: a cost of a predicted trajectory."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor


class Objective(ABC):
    """Cost of a predicted trajectory given a goal; lower is better, zero if the goal is held throughout.

    Rows are independent, and the cost is differentiable in ``predicted`` and ``actions``. Objectives hold no state:
    one object may serve many problems.
    """

    @property
    def reads_last_only(self) -> bool:
        """Whether the cost depends on the last prediction alone; planners may then give it no other."""
        return False

    @abstractmethod
    def __call__(self, predicted: Tensor, goal: Tensor, actions: Tensor) -> Tensor:
        """Cost of each row.

        Args:
            predicted: what the model says is achieved at steps 1..H, ``(B, H, *G)``, in goal space (for states:
                environment units). The present frame is not among them: no action can change it. Only step H,
                ``(B, 1, *G)``, if ``reads_last_only``.
            goal: what is to be achieved, ``(B, *G)``.
            actions: the actions that lead there, ``(B, H, A)``, in environment units.

        Returns:
            Cost, ``(B,)``.
        """

    def with_gradients(self, predicted: Tensor, goal: Tensor, actions: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """Cost of each row and its gradients; by autograd, unless a subclass knows them.

        A planner of few rows waits longer for autograd's bookkeeping than for the model, so it pays to know them. A
        subclass that does must still be right for subclasses of its own, which may have another cost.

        Args:
            predicted: see ``__call__``; likewise the others. None may require gradients.
            goal: see above.
            actions: see above.

        Returns:
            Cost ``(B,)``, and its gradients for ``predicted`` ``(B, H, *G)`` and for ``actions`` ``(B, H, A)``, the
            latter None where the cost says nothing of actions. All are detached.
        """
        with torch.enable_grad():
            leaves = predicted.detach().requires_grad_(), actions.detach().requires_grad_()
            cost = self(leaves[0], goal, leaves[1])
        of_predicted, of_actions = torch.autograd.grad(cost, leaves, torch.ones_like(cost), allow_unused=True)
        return cost.detach(), torch.zeros_like(predicted) if of_predicted is None else of_predicted, of_actions

    def at_step(self, step: int) -> "Objective":
        """The objective to replan with once ``step`` actions of the episode have been executed; by default this one."""
        del step
        return self
