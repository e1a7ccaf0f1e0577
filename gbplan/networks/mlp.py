"""The multilayer perceptron as a predictor."""

from collections.abc import Sequence
from itertools import pairwise
from math import prod
from typing import Literal

import torch
from torch import Tensor, nn

from gbplan.networks.predictor import Predictor

Activation = Literal["relu", "silu", "gelu", "tanh"]

ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "silu": nn.SiLU, "gelu": nn.GELU, "tanh": nn.Tanh}


def perceptron(inputs: int, hidden_sizes: Sequence[int], outputs: int, activation: Activation) -> nn.Sequential:
    """Linear layers with a nonlinearity between them."""
    layers: list[nn.Module] = []
    for width, following in pairwise([inputs, *hidden_sizes]):
        layers += [nn.Linear(width, following), ACTIVATIONS[activation]()]
    return nn.Sequential(*layers, nn.Linear([inputs, *hidden_sizes][-1], outputs))


class MLPPredictor(Predictor):
    """A perceptron on all latents and actions side by side, ``z' = z + MLP([z_1 .. z_K, a_1 .. a_K])`` by default."""

    def __init__(
        self,
        latent_dim: int | Sequence[int],
        action_dim: int,
        hidden_sizes: Sequence[int] = (128, 128),
        activation: Activation = "relu",
        residual: bool = True,
        history: int = 1,
    ) -> None:
        """Build the perceptron.

        Args:
            latent_dim: number of latent dimensions D; or the shape *D of latents that are not vectors.
            action_dim: dimensions A' of a model action: the environment's, times the world model's ``action_block``.
            hidden_sizes: width of each hidden layer; empty gives a linear (or affine residual) model.
            activation: nonlinearity between the layers.
            residual: predict the change of the latent rather than the latent.
            history: number of frames K it looks at.

        Raises:
            ValueError: a dimension or a width is below 1, or the activation is unknown.
        """
        super().__init__()
        shape = (latent_dim,) if isinstance(latent_dim, int) else tuple(latent_dim)
        if not shape or min([*shape, action_dim, history, *hidden_sizes]) < 1:
            raise ValueError(
                f"latent_dim, action_dim, history and hidden_sizes must be at least 1, got {latent_dim}, {action_dim}, "
                f"{history} and {list(hidden_sizes)}"
            )
        if activation not in ACTIVATIONS:
            raise ValueError(f"activation must be one of {sorted(ACTIVATIONS)}, got {activation!r}")
        self.latent_shape = shape
        self.action_dim = action_dim
        self.history = history
        self.residual = residual
        self.activation: Activation = activation
        self.hidden_sizes = list(hidden_sizes)
        self.net = perceptron(history * (prod(shape) + action_dim), hidden_sizes, prod(shape), activation)

    @property
    def activation_size(self) -> int:
        """Numbers that a step stores for its gradient: its inputs, and hidden units before and after activation."""
        return 2 * sum(self.hidden_sizes) + self.history * (prod(self.latent_shape) + self.action_dim)

    def forward(self, latents: Tensor, actions: Tensor) -> Tensor:
        """Predict the next latents ``(B, *D)``; see ``Predictor``."""
        change = self.net(torch.cat([latents.flatten(1), actions.flatten(1)], dim=1))
        change = change.reshape(len(latents), *self.latent_shape)
        return latents[:, -1] + change if self.residual else change
