"""Gradients of a rollout for its actions, and for nothing else."""

from collections.abc import Callable

import torch
from torch import Tensor

from gbplan.networks.constant_parameters import constant_parameters

Pullback = Callable[[Tensor], Tensor]
"""Takes the gradient of a rollout's latents ``(B, H, *D)`` back to that of its actions ``(B, H, A)``."""


def pullback_by_autograd(rollout: Callable[[Tensor], Tensor], actions: Tensor) -> tuple[Tensor, Pullback]:
    """Roll out, and let autograd find the way back.

    Args:
        rollout: actions to latents, both rows by row.
        actions: ``(B, H, A)``.

    Returns:
        What ``rollout`` returns, detached, and its pullback, which may be called once.
    """
    with torch.enable_grad(), constant_parameters():
        actions = actions.detach().requires_grad_()
        latents = rollout(actions)

    def pullback(gradient: Tensor) -> Tensor:
        # autograd.grad, not backward: backward would leave gradients on the world model's parameters.
        (of_actions,) = torch.autograd.grad(latents, actions, gradient)
        return of_actions

    return latents.detach(), pullback
