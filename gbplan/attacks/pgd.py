"""Projected gradient ascent."""

import math

import torch
from torch import Generator, Tensor

from gbplan.attacks.attack import Attack, Loss, uniform_noise


def pgd(
    loss: Loss, x: Tensor, radius: Tensor, *, generator: Generator, steps: int = 3, step_size: float = 1.25
) -> Tensor:
    """Climb the loss from a random start: ``steps`` times ``p <- clip(p + step_size * radius * sign(gradient))``.

    The start is uniform in the box ``|p - x| <= radius``, and each step is clipped to it.

    Args:
        loss: differentiable; see ``Attack.perturb``.
        x: the point, any shape.
        radius: half the width of the box, of the shape of ``x``, >= 0.
        generator: draws the start.
        steps: gradient steps K, >= 1.
        step_size: length of a step in radii, > 0.

    Returns:
        The perturbed point, detached. Gradients must be enabled where this is called.

    Raises:
        ValueError: the loss does not depend on ``x`` differentiably.

    Source: Madry et al. 2018; with one step and 1.25 radii, Wong et al. 2020, which is Algorithm 3 of arXiv 2512.09929.
    """
    low, high = x - radius, x + radius
    point = (x + radius * uniform_noise(x, generator)).clamp(low, high)
    for _ in range(steps):
        point.requires_grad_()
        value = loss(point).sum()
        if not value.requires_grad:
            raise ValueError(
                "the loss must depend on the attacked point differentiably; was it computed under no_grad, or from a "
                "detached copy? RandomNoise needs no gradient"
            )
        # autograd.grad, not backward: backward would leave gradients on the parameters of the attacked model.
        (gradient,) = torch.autograd.grad(value, point)
        # A NaN gradient has no direction: the coordinate stays where it is, inside the box.
        direction = gradient.nan_to_num(nan=0.0).sign()
        point = (point.detach() + step_size * radius * direction).clamp(low, high)
    return point


class PGD(Attack):
    """Projected gradient ascent: several signed gradient steps from a random start (paper Table 11: 2 and 3 steps).

    A training step costs ``steps`` extra forward and backward passes through the model.
    """

    def __init__(self, steps: int = 3, step_size: float = 1.25) -> None:
        """Set the ascent.

        Args:
            steps: gradient steps K, >= 1; one step is FGSM.
            step_size: length of a step in radii, > 0. Not given in the paper for K > 1; we use FGSM's 1.25, so that the
                number of steps is all that differs.

        Raises:
            ValueError: a number is out of its range.
        """
        if steps < 1:
            raise ValueError(f"steps must be at least 1, got {steps}")
        require_step_size(step_size)
        self.steps = steps
        self.step_size = step_size

    def _perturb(self, loss: Loss, x: Tensor, radius: Tensor, generator: Generator) -> Tensor:
        return pgd(loss, x, radius, generator=generator, steps=self.steps, step_size=self.step_size)


def require_step_size(step_size: float) -> None:
    """Raise a ValueError unless the step size is positive and finite."""
    if not (step_size > 0 and math.isfinite(step_size)):
        raise ValueError(f"step_size must be positive and finite, got {step_size}")
