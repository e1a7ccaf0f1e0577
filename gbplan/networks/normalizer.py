"""The normaliser: the only place that standardises latents and actions."""

from collections.abc import Iterable
from math import prod
from typing import Literal, get_args

import torch
from torch import Tensor, nn

Per = Literal["dimension", "channel"]


class Moments:
    """Mean and standard deviation over the first axis of values added in parts, in double precision."""

    def __init__(self) -> None:
        """Begin with no values."""
        self.count = 0
        self._mean = self._square = torch.zeros((), dtype=torch.float64)

    def add(self, values: Tensor) -> None:
        """Add values ``(F, ...)``; F may be 0."""
        if not len(values):
            return
        values = values.double()
        new, mean = len(values), values.mean(0)
        square = (values - mean).square().sum(0)
        if self.count:
            # Combined from the moments of both samples (Chan et al. 1979): no large sums are subtracted.
            apart, total = mean - self._mean, self.count + new
            square = self._square + square + apart.square() * (self.count * new / total)
            mean = self._mean + apart * (new / total)
        self.count, self._mean, self._square = self.count + new, mean, square

    def compute(self) -> tuple[Tensor, Tensor]:
        """Return mean and standard deviation, float32; a deviation of zero, up to rounding, becomes 1."""
        std = (self._square / self.count).sqrt()
        constant = std <= 1e-6 * (1e-6 + self._mean.abs())
        return self._mean.float(), torch.where(constant, 1.0, std).float()


class Normalizer(nn.Module):
    """Means and standard deviations of encoded training frames and of actions.

    The moments are buffers, saved with the weights; until they are set they are the identity.

    Attributes:
        latent_mean: ``(*D)``; per channel it is ``(C,)``, the last axis of *D, and all other axes share it.
        latent_std: likewise, > 0.
        action_mean: of a model action, ``(A',)``: that of an environment action, repeated for each of the block.
        action_std: likewise, > 0.
        fitted: whether the moments have been set, 0 or 1.
    """

    latent_mean: Tensor
    latent_std: Tensor
    action_mean: Tensor
    action_std: Tensor
    fitted: Tensor

    def __init__(
        self, latent_shape: tuple[int, ...], action_dim: int, action_block: int = 1, per: Per = "dimension"
    ) -> None:
        """Begin as the identity.

        Args:
            latent_shape: *D.
            action_dim: A', dimensions of a model action.
            action_block: environment actions in a model action.
            per: whether each latent dimension has its own moments, or each channel.

        Raises:
            ValueError: ``per`` is unknown.
        """
        super().__init__()
        if per not in get_args(Per):
            raise ValueError(f"normalize must be one of {list(get_args(Per))}, got {per!r}")
        self.per = per
        self.action_block = action_block
        shape = latent_shape[-1:] if per == "channel" else latent_shape
        self.register_buffer("latent_mean", torch.zeros(shape))
        self.register_buffer("latent_std", torch.ones(shape))
        self.register_buffer("action_mean", torch.zeros(action_dim))
        self.register_buffer("action_std", torch.ones(action_dim))
        # Not a bool: Lightning's WeightAveraging averages buffers.
        self.register_buffer("fitted", torch.zeros((), dtype=torch.uint8))

    def standardize(self, latent: Tensor) -> Tensor:
        """Convert latents ``(..., *D)`` from the encoder's units to standardised ones."""
        return (latent - self.latent_mean) / self.latent_std

    def restore(self, latent: Tensor) -> Tensor:
        """Convert latents ``(..., *D)`` from standardised units to the encoder's."""
        return latent * self.latent_std + self.latent_mean

    def standardize_actions(self, actions: Tensor) -> Tensor:
        """Convert actions ``(..., A')`` from environment units to standardised ones."""
        return (actions - self.action_mean) / self.action_std

    def fit(self, latents: Iterable[Tensor], action_mean: Tensor, action_std: Tensor) -> None:
        """Set the moments from encoded frames, given in parts, and from the moments of environment actions.

        Args:
            latents: the encoder's output, ``(F, *D)`` each.
            action_mean: of an environment action, ``(A,)``.
            action_std: likewise.

        Raises:
            ValueError: there are no latents; and as ``set``.
        """
        moments = Moments()
        for part in latents:
            moments.add(part.flatten(0, -2) if self.per == "channel" else part)
        if not moments.count:
            raise ValueError("a normalizer needs at least one latent to be fitted, got none")
        self.set(*moments.compute(), action_mean, action_std)

    def set(self, latent_mean: Tensor, latent_std: Tensor, action_mean: Tensor, action_std: Tensor) -> None:
        """Set the moments.

        Args:
            latent_mean: of the encoder's output, in the shape of the attribute.
            latent_std: likewise, > 0.
            action_mean: of an environment action, ``(A,)``.
            action_std: likewise, > 0.

        Raises:
            ValueError: a shape differs, a value is not finite, or a standard deviation is not positive.
        """
        given = {
            "latent_mean": latent_mean,
            "latent_std": latent_std,
            "action_mean": action_mean,
            "action_std": action_std,
        }
        for name, value in given.items():
            expected = tuple(getattr(self, name).shape)
            if name.startswith("action"):
                expected = (prod(expected) // self.action_block,)
            if value.shape != expected:
                raise ValueError(
                    f"{name} must have shape {expected}, got {tuple(value.shape)}; "
                    "was the data made by another environment than the model is sized for?"
                )
            if not torch.isfinite(value).all() or (name.endswith("std") and (value <= 0).any()):
                raise ValueError(f"{name} must be finite, and positive for a standard deviation, got {value.tolist()}")
        for name, value in given.items():
            buffer = getattr(self, name)
            buffer.copy_(value.repeat(self.action_block) if name.startswith("action") else value)
        self.fitted.fill_(True)
