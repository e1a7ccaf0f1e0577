"""Gradients of a rollout for its actions, and for nothing else."""

from collections.abc import Callable

import torch
from torch import Tensor

from gbplan.networks.fused.constant_parameters import constant_parameters

Pullback = Callable[[Tensor], Tensor]
"""Takes the gradient of a result back to that of what it was made from: a rollout's latents to its actions."""


def pullback_by_autograd(function: Callable[[Tensor], Tensor], x: Tensor) -> tuple[Tensor, Pullback]:
    """Call a function, and let autograd find the way back.

    Args:
        function: of one tensor, differentiable.
        x: what to call it with.

    Returns:
        What ``function`` returns, detached, and its pullback, which may be called once.
    """
    with torch.enable_grad(), constant_parameters():
        x = x.detach().requires_grad_()
        y = function(x)

    def pullback(gradient: Tensor) -> Tensor:
        # autograd.grad, not backward: backward would leave gradients on the world model's parameters.
        (of_x,) = torch.autograd.grad(y, x, gradient)
        return of_x

    return y.detach(), pullback
