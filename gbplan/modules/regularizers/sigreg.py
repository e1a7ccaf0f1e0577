"""A regulariser towards latents with a standard normal distribution."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from gbplan import checks
from gbplan.modules.regularizers.regularizer import Regularizer


class SIGReg(Regularizer):
    """Sketched isotropic Gaussian regularisation: random projections of the latents should be standard normal.

    B windows, T + 1 frames, N directions. At every frame the batch is projected on random unit directions. The cost of
    a projection ``x`` is its Epps-Pulley distance from N(0, 1), the squared difference of characteristic functions
    ``integral of |mean(exp(i t x)) - exp(-t^2 / 2)|^2 exp(-t^2 / 2) dt`` over ``|t| <= t_max``, by the trapezoidal rule
    with ``knots`` points of the positive half. A constant encoder at zero costs 0.40, and B samples of N(0, I) cost
    about 1 / B. LeWorldModel multiplies the cost by B: its weight of 0.09 for batches of 128 is 11.5 here.

    Every training step draws new directions from the seed and the number of the step, which checkpoints store;
    validation always uses the same ones.

    Sources: Balestriero and LeCun, LeJEPA, arXiv 2511.08544; LeWorldModel, arXiv 2603.19312.
    """

    steps: Tensor

    def __init__(
        self, weight: float = 10.0, directions: int = 256, knots: int = 17, t_max: float = 3.0, seed: int = 0
    ) -> None:
        """Set up the integral.

        Args:
            weight: weight of the distance, >= 0.
            directions: number N of directions per step, >= 1.
            knots: points of the integral, >= 2.
            t_max: end of the integral, > 0.
            seed: seed of the directions.

        Raises:
            ValueError: a number is out of its range.
        """
        super().__init__()
        checks.not_negative(weight=weight)
        checks.at_least_one(directions=directions)
        if knots < 2:
            raise ValueError(f"knots must be at least 2, got {knots}")
        checks.positive(t_max=t_max)
        checks.seed(seed=seed)
        self.weight = weight
        self.directions = directions
        self.seed = seed
        self.t = torch.linspace(0, t_max, knots)
        self.normal = torch.exp(-self.t.square() / 2)
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    def forward(self, latents: Tensor, actions: Tensor, observations: Mapping[str, Tensor]) -> Tensor:
        """Return the loss; see ``Regularizer``."""
        projected = latents.flatten(2) @ self._directions(latents[0, 0].numel()).to(latents)  # (B, T + 1, N)
        t, normal = self.t.to(latents), self.normal.to(latents)
        angles = projected[..., None] * t  # (B, T + 1, N, knots)
        apart = (angles.cos().mean(0) - normal).square() + angles.sin().mean(0).square()
        return self.weight * 2 * torch.trapezoid(apart * normal, t).mean()

    def _directions(self, dim: int) -> Tensor:
        """Draw unit vectors, the columns of ``(dim, N)``."""
        step = int(self.steps) if self.training else 0
        if self.training:
            self.steps += 1
        key = int(np.random.SeedSequence((self.seed, step)).generate_state(1, np.uint64)[0]) >> 1
        drawn = torch.randn(dim, self.directions, generator=torch.Generator().manual_seed(key))
        return drawn / drawn.norm(dim=0)
