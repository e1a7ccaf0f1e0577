"""Random perturbations: the control for attacks."""

from typing import Literal, get_args

import torch
from torch import Generator, Tensor

from gbplan.attacks.attack import Attack, Loss, uniform_noise

Kind = Literal["uniform", "corners"]


def random_noise(x: Tensor, radius: Tensor, *, generator: Generator, kind: Kind = "corners") -> Tensor:
    """Add noise: ``x + radius * u`` with u uniform in [-1, 1) per coordinate, or -1 and 1 with equal probability.

    Args:
        x: the point, any shape.
        radius: half the width of the box, of the shape of ``x``, >= 0.
        generator: draws the noise.
        kind: uniform in the box, or one of its corners.

    Returns:
        The perturbed point.
    """
    noise = uniform_noise(x, generator)
    if kind == "corners":
        noise = torch.where(noise < 0, -1.0, 1.0).to(x)
    return x + radius * noise


class RandomNoise(Attack):
    """Noise in the attack's box, independent of the loss: an attack without its direction.

    The control of adversarial training: where it does as well, the radius helped and not the adversary.
    """

    def __init__(self, kind: Kind = "corners") -> None:
        """Choose the distribution.

        Args:
            kind: ``corners`` moves every coordinate by the whole radius, as an attack tends to; ``uniform`` fills the
                box.

        Raises:
            ValueError: ``kind`` is unknown.
        """
        if kind not in get_args(Kind):
            raise ValueError(f"kind must be one of {list(get_args(Kind))}, got {kind!r}")
        self.kind: Kind = kind

    def _perturb(self, loss: Loss, x: Tensor, radius: Tensor, generator: Generator) -> Tensor:
        return random_noise(x, radius, generator=generator, kind=self.kind)
