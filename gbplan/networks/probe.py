"""The probe: decodes a latent into the environment's achieved goal, to compare belief with truth."""

from collections.abc import Sequence
from itertools import pairwise
from math import prod

import torch
from torch import Tensor, nn


class Probe(nn.Module):
    """A small perceptron from a latent to the environment's ``achieved_goal``, in environment units.

    It is trained beside the world model with its gradient stopped, so it does not change the latents. It shows a
    model's belief; only the environment judges success.

    Attributes:
        latent_shape: *D, the shape of one latent.
        goal_shape: shape of ``achieved_goal``.
    """

    goal_mean: Tensor
    goal_std: Tensor

    def __init__(
        self, latent_dim: int | Sequence[int], goal_dim: int | Sequence[int], hidden_sizes: Sequence[int] = (64,)
    ) -> None:
        """Build the perceptron.

        Args:
            latent_dim: number of latent dimensions, or the shape of latents that are not vectors.
            goal_dim: numbers in the environment's ``achieved_goal``, or its shape.
            hidden_sizes: width of each hidden layer; empty gives a linear probe.

        Raises:
            ValueError: a size is below 1.
        """
        super().__init__()
        shape = (latent_dim,) if isinstance(latent_dim, int) else tuple(latent_dim)
        self.goal_shape = (goal_dim,) if isinstance(goal_dim, int) else tuple(goal_dim)
        if not shape or min([*shape, *self.goal_shape, *hidden_sizes]) < 1:
            raise ValueError(
                f"latent_dim, goal_dim and hidden_sizes must be at least 1, got {latent_dim}, {goal_dim} and "
                f"{list(hidden_sizes)}"
            )
        self.latent_shape = shape
        widths = [prod(shape), *hidden_sizes]
        layers: list[nn.Module] = []
        for width, following in pairwise(widths):
            layers += [nn.Linear(width, following), nn.ReLU()]
        self.net = nn.Sequential(*layers, nn.Linear(widths[-1], prod(self.goal_shape)))
        self.register_buffer("goal_mean", torch.zeros(self.goal_shape))
        self.register_buffer("goal_std", torch.ones(self.goal_shape))

    def set_units(self, mean: Tensor, std: Tensor) -> None:
        """Set the environment's units: mean and standard deviation of ``achieved_goal`` in the training data."""
        self.goal_mean.copy_(mean)
        self.goal_std.copy_(std)

    def forward(self, latents: Tensor) -> Tensor:
        """Decode standardised latents ``(..., *D)`` into achieved goals ``(..., *goal_shape)``, environment units."""
        standardised = self.net(latents.flatten(-len(self.latent_shape)))
        return standardised.unflatten(-1, self.goal_shape) * self.goal_std + self.goal_mean
