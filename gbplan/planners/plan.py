"""The result of a planner."""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Plan:
    """The best action sequence found for each of B tasks; detached, on the problem's device.

    Attributes:
        actions: ``(B, H, A)``, environment units, within the action bounds.
        cost: the objective's value under the model, ``(B,)``.
        trace: lowest cost found up to and including each iteration, ``(iterations, B)``; a row that stopped early
            repeats its last value.
        model_calls: steps of the model spent per task, ``(B,)``, int64. The rollout of one candidate costs H, the
            backward pass for its gradient another H.
    """

    actions: Tensor
    cost: Tensor
    trace: Tensor
    model_calls: Tensor
