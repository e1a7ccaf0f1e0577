"""Encoders: observations to latents, and latents to goal features."""

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Self

import torch
from torch import Tensor, nn

from gbplan.describe import describe

_MODULE_ATTRIBUTES = {*vars(nn.Module())}  # attributes of every module: parts, weights, hooks, its mode


class Encoder(nn.Module, ABC):
    """Maps observations to latents ``(..., *D)``, before normalisation.

    A frozen encoder stays in eval mode and gets no gradient, in any mode of the module around it; its latents may
    be cached. An encoder in training needs a regulariser, see ``WorldModelModule``.

    Attributes:
        latent_shape: *D, the shape of one latent.
        observation_keys: the entries of the observation that are encoded.
        goal_keys: the entries of the observation that are the goal.
        frozen: see above.
        exact_goals: whether ``goal_features`` are the environment's ``achieved_goal``, in its units.
    """

    latent_shape: tuple[int, ...]
    observation_keys: tuple[str, ...] = ("observation",)
    goal_keys: tuple[str, ...] = ("desired_goal",)
    exact_goals: bool = False

    def __init__(self, frozen: bool = True) -> None:
        """Set the attributes of all encoders.

        Args:
            frozen: keep the weights fixed.
        """
        super().__init__()
        self.frozen = frozen

    def train(self, mode: bool = True) -> Self:
        """Change the mode, unless the encoder is frozen: then it stays in eval mode."""
        return super().train(mode and not self.frozen)

    @abstractmethod
    def encode(self, observations: Mapping[str, Tensor]) -> Tensor:
        """Encode ``observation_keys``, ``(..., *obs)`` each, into latents ``(..., *D)``. Pictures are uint8."""

    @abstractmethod
    def encode_goal(self, observations: Mapping[str, Tensor]) -> Tensor:
        """Encode ``goal_keys``, ``(..., *obs)`` each, into the model's goal space ``(..., *G)``."""

    @abstractmethod
    def goal_features(self, latent: Tensor) -> Tensor:
        """Map a latent ``(..., *D)`` into goal space, ``(..., *G)``, for comparison with a goal; differentiable."""


class IdentityEncoder(Encoder):
    """The latent is the state, or a part of it; a goal is some of its coordinates, in environment units."""

    exact_goals = True

    def __init__(
        self,
        dim: int,
        goal_indices: Sequence[int] = (0, 1),
        state_indices: Sequence[int] | None = None,
        key: str = "observation",
    ) -> None:
        """Choose the coordinates.

        Args:
            dim: number of latent dimensions D.
            goal_indices: which latent dimensions the goal consists of, in its order.
            state_indices: which numbers of the state are the latent, D of them; null: all. Leave out numbers that do
                not affect the next state.
            key: the entry of the observation that the model reads as the state.

        Raises:
            ValueError: ``dim`` < 1, a goal index is outside 0..dim - 1, or there are not ``dim`` state indices.
        """
        super().__init__()
        if dim < 1:
            raise ValueError(f"dim must be at least 1, got {dim}")
        if not goal_indices or any(not 0 <= i < dim for i in goal_indices):
            raise ValueError(
                f"goal_indices must lie in 0..{dim - 1} (dim = {dim}) and not be empty, got {goal_indices}"
            )
        if state_indices is not None and (len(state_indices) != dim or min(state_indices) < 0):
            raise ValueError(f"state_indices must be dim = {dim} numbers >= 0, got {list(state_indices)}")
        self.latent_shape = (dim,)
        self.state_indices = None if state_indices is None else list(state_indices)
        self.observation_keys = (key,)
        self.goal_indices = list(goal_indices)
        first, last = self.goal_indices[0], self.goal_indices[-1]
        consecutive = self.goal_indices == list(range(first, last + 1))
        # A slice is a view; indexing with a list gathers, and its gradient scatters, slower than the rollout of a row.
        self.goal_index: slice | list[int] = slice(first, last + 1) if consecutive else self.goal_indices

    def encode(self, observations: Mapping[str, Tensor]) -> Tensor:
        """Return the state itself, or the part of it that is the latent.

        Raises:
            ValueError: the state has fewer numbers than ``state_indices`` name.
        """
        key = self.observation_keys[0]
        state = observations[key]
        return state if self.state_indices is None else pick(state, self.state_indices, key, "state_indices")

    def encode_goal(self, observations: Mapping[str, Tensor]) -> Tensor:
        """Return the desired goal itself."""
        return observations["desired_goal"]

    def goal_features(self, latent: Tensor) -> Tensor:
        """Pick the goal coordinates, ``(..., G)``."""
        return latent[..., self.goal_index]


def pick(values: Tensor, indices: list[int], key: str, setting: str) -> Tensor:
    """Pick numbers of an entry of the observation.

    Args:
        values: the entry, ``(..., n)``.
        indices: which numbers, each >= 0.
        key: the entry's name, for the message.
        setting: the name of the argument that the indices come from, for the message.

    Returns:
        ``(..., len(indices))``.

    Raises:
        ValueError: an index is not below n.
    """
    count = values.shape[-1]
    if max(indices) >= count:
        raise ValueError(
            f"{setting} must be below {count}, how many numbers {key!r} has, got {max(indices)} in {indices}; correct "
            "them, or use the environment or the data that they were made for"
        )
    return values[..., indices]


def encoder_hash(encoder: Encoder) -> str:
    """Hash everything that affects an encoder's output: its class, its settings and its weights."""
    settings = [(name, _settings(part)) for name, part in encoder.named_modules()]
    found = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    for name, tensor in encoder.state_dict().items():
        found.update(name.encode())
        found.update(_bytes(tensor))
    return found.hexdigest()


def _settings(part: nn.Module) -> object:
    """A module's settings, private attributes included; tensors other than weights by their hash."""
    own = {key: value for key, value in vars(part).items() if key not in _MODULE_ATTRIBUTES}
    for key, value in own.items():
        if isinstance(value, torch.Tensor):
            own[key] = hashlib.sha256(_bytes(value)).hexdigest()
    return {"class": type(part).__qualname__, **{key.lstrip("_"): describe(value) for key, value in own.items()}}


def _bytes(tensor: Tensor) -> bytes:
    return tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes()
