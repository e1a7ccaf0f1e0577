"""The interface of attacks: a step away from the data, no further than a radius."""

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from torch import Generator, Tensor

Loss = Callable[[Tensor], Tensor]
"""From a point to its loss: a scalar, or any number of terms that are summed."""


class Attack(ABC):
    """Moves a point inside the box ``|perturbed - x| <= radius``, the l-infinity ball with a radius per coordinate.

    Numbers go to the constructor, the point comes with the call, and nothing is remembered between calls. An attack
    knows the loss only as a function of the point. Several tensors are attacked at once by attacking their
    concatenation, each coordinate with its own radius. A subclass writes ``_perturb``; this class ensures what all
    attacks promise:

    - the result lies inside the box; where the radius is zero, it is ``x`` exactly;
    - the same generator state gives the same result;
    - it works under ``no_grad`` and ``inference_mode``, and leaves no gradient on ``x`` or on what the loss is made of.
    """

    def perturb(self, loss: Loss, x: Tensor, radius: Tensor, *, generator: Generator) -> Tensor:
        """Perturb a point.

        Args:
            loss: the loss to increase, differentiable. Rows of ``x`` are attacked independently of each other if their
                losses are summed or averaged.
            x: the point, a floating-point tensor of any shape; not modified.
            radius: half the width of the box, >= 0, in the units of ``x``; must broadcast to the shape of ``x``.
            generator: source of all random draws.

        Returns:
            The perturbed point, shaped like ``x``, detached.

        Raises:
            TypeError: ``x`` contains integers, which cannot move by a small step.
            ValueError: the radius is negative or not finite, or does not broadcast to ``x``; or the loss does not
                depend on ``x`` differentiably.
        """
        if not x.is_floating_point():
            raise TypeError(
                f"an attack needs floating-point numbers, got {x.dtype}: integers, such as discrete actions, cannot be "
                "moved by a fraction; attack the other inputs only, or use NoAttack"
            )
        # Evaluation runs without gradients or in inference mode, whose tensors can never have one.
        with torch.inference_mode(False), torch.enable_grad():
            x = x.detach().clone()
            radius = radius.detach().to(x)
            try:
                radius = radius.expand_as(x)
            except RuntimeError:
                raise ValueError(
                    f"radius must broadcast to the shape of x, {tuple(x.shape)}, got {tuple(radius.shape)}; "
                    "give one radius, or one per coordinate"
                ) from None
            if not bool(((radius >= 0) & radius.isfinite()).all()):
                raise ValueError(
                    f"radius must be finite and not negative, got values from {float(radius.min())} to "
                    f"{float(radius.max())}"
                )
            low, high = x - radius, x + radius
            return self._perturb(loss, x, radius, generator).detach().clamp(low, high)

    @abstractmethod
    def _perturb(self, loss: Loss, x: Tensor, radius: Tensor, generator: Generator) -> Tensor:
        """Perturb a checked point with gradients enabled; ``perturb`` clips the result to the box.

        Args:
            loss: the loss to increase.
            x: a copy of the point, which may be modified.
            radius: of the shape of ``x``.
            generator: on any device; see ``uniform_noise``.

        Returns:
            The perturbed point.
        """


def uniform_noise(x: Tensor, generator: Generator) -> Tensor:
    """Draw a tensor like ``x``, uniform in [-1, 1): single precision on the generator's device, whatever ``x`` has."""
    drawn = torch.rand(x.shape, generator=generator, device=generator.device)
    return (2 * drawn - 1).to(x)
