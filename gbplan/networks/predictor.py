"""One step of latent dynamics."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

Activation = Literal["relu", "silu", "gelu", "tanh"]

_ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "silu": nn.SiLU, "gelu": nn.GELU, "tanh": nn.Tanh}


class Predictor(nn.Module, ABC):
    """Next latent from latent and action, both in standardised units.

    Attributes:
        latent_shape: *D, the shape of one latent.
        action_dim: A, the number of action dimensions.
    """

    latent_shape: tuple[int, ...]
    action_dim: int

    @abstractmethod
    def forward(self, latent: Tensor, action: Tensor) -> Tensor:
        """Predict the next latents ``(..., *D)`` from latents ``(..., *D)`` and actions ``(..., A)``."""


class MLPPredictor(Predictor):
    """A multilayer perceptron on latent and action side by side, ``z' = z + MLP([z, a])`` by default."""

    def __init__(
        self,
        latent_dim: int,
        action_dim: int,
        hidden_sizes: Sequence[int] = (128, 128),
        activation: Activation = "relu",
        residual: bool = True,
    ) -> None:
        """Build the perceptron.

        Args:
            latent_dim: number of latent dimensions D.
            action_dim: number of action dimensions A.
            hidden_sizes: width of each hidden layer; empty gives a linear (or affine residual) model.
            activation: nonlinearity between the layers.
            residual: predict the change of the latent rather than the latent.

        Raises:
            ValueError: a dimension or a width is below 1, or the activation is unknown.
        """
        super().__init__()
        if min([latent_dim, action_dim, *hidden_sizes]) < 1:
            raise ValueError(
                f"latent_dim, action_dim and hidden_sizes must be at least 1, got {latent_dim}, {action_dim} and "
                f"{list(hidden_sizes)}"
            )
        if activation not in _ACTIVATIONS:
            raise ValueError(f"activation must be one of {sorted(_ACTIVATIONS)}, got {activation!r}")
        self.latent_shape = (latent_dim,)
        self.action_dim = action_dim
        self.residual = residual
        layers: list[nn.Module] = []
        width = latent_dim + action_dim
        for hidden in hidden_sizes:
            layers += [nn.Linear(width, hidden), _ACTIVATIONS[activation]()]
            width = hidden
        layers.append(nn.Linear(width, latent_dim))
        self.net = nn.Sequential(*layers)

    def forward(self, latent: Tensor, action: Tensor) -> Tensor:
        """Predict the next latents ``(..., D)``."""
        change = self.net(torch.cat([latent, action], dim=-1))
        return latent + change if self.residual else change
