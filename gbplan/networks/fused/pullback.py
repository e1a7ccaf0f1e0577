"""Pullbacks: gradients of a rollout with respect to its actions only."""

from collections.abc import Callable

import torch
from torch import Tensor

from gbplan.networks.fused.constant_parameters import constant_parameters

Pullback = Callable[[Tensor], Tensor]
"""Maps the gradient of a result to that of its input: from a rollout's latents to its actions."""


def pullback_by_autograd(function: Callable[[Tensor], Tensor], x: Tensor) -> tuple[Tensor, Pullback]:
    """Call a function, and make its pullback with autograd.

    Args:
        function: a differentiable function of one tensor.
        x: its argument.

    Returns:
        The result of ``function``, detached, and its pullback, which may be called once.
    """
    with torch.enable_grad(), constant_parameters():
        x = x.detach().requires_grad_()
        y = function(x)

    def pullback(gradient: Tensor) -> Tensor:
        # autograd.grad, not backward: backward would leave gradients on the world model's parameters.
        (of_x,) = torch.autograd.grad(y, x, gradient)
        return of_x

    return y.detach(), pullback
