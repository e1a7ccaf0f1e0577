"""Proprioception beside an encoder's latents."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from gbplan.networks.encoder import Encoder, pick


class ProprioceptiveEncoder(Encoder):
    """Appends a weighted vector of the observation to another encoder's latents.

    Every token of a latent gets the vector. A goal contains it as well if ``goal_key`` is given; otherwise only the
    other encoder's part of a goal counts.
    """

    def __init__(
        self,
        encoder: Encoder,
        dim: int,
        key: str = "observation",
        goal_key: str | None = "desired_goal",
        weight: float = 1.0,
        indices: Sequence[int] | None = None,
        goal_dim: int | None = None,
    ) -> None:
        """Join encoder and vector.

        Args:
            encoder: makes the rest of the latent.
            dim: numbers in the vector.
            key: entry of the observation that is the vector.
            goal_key: entry of the observation that is the same vector at the goal; None: goals do not contain it.
            weight: weight of the vector, in latents and goals alike; the larger, the more it counts in a distance.
            indices: which numbers of the entry are the vector, ``dim`` of them; null: all. The others stay unseen.
            goal_dim: how many of the vector's numbers, from the first, a goal contains, such as the agent's position
                without its velocity; the entry ``goal_key`` begins with them. Null: all.

        Raises:
            ValueError: ``dim`` < 1, the weight is not positive, there are not ``dim`` indices, or ``goal_dim`` is
                outside 1..dim or without a ``goal_key``.
        """
        super().__init__(encoder.frozen)
        if dim < 1 or not weight > 0:
            raise ValueError(f"dim must be at least 1 and weight positive, got {dim} and {weight}")
        if indices is not None and (len(indices) != dim or min(indices) < 0):
            raise ValueError(f"indices must be dim = {dim} numbers >= 0, got {list(indices)}")
        if goal_dim is not None and not 1 <= goal_dim <= dim:
            raise ValueError(f"goal_dim must lie in 1..{dim} (dim = {dim}), got {goal_dim}")
        if goal_dim is not None and goal_key is None:
            raise ValueError(
                f"goal_dim must be null where goals do not contain the vector (goal_key is null), got {goal_dim}; "
                "leave it out, or give goal_key"
            )
        *tokens, width = encoder.latent_shape
        self.latent_shape = (*tokens, width + dim)
        self.observation_keys = (*encoder.observation_keys, key)
        self.goal_keys = encoder.goal_keys if goal_key is None else (*encoder.goal_keys, goal_key)
        self.encoder = encoder
        self.dim = dim
        self.key = key
        self.goal_key = goal_key
        self.weight = weight
        self.indices = None if indices is None else list(indices)
        self.goal_dim = goal_dim

    def encode(self, observations: Mapping[str, Tensor]) -> Tensor:
        """Encode ``observation_keys`` into latents ``(..., *D)``."""
        seen = observations[self.key]
        if self.indices is not None:
            seen = pick(seen, self.indices, self.key, "indices of proprioception")
        return self._join(self.encoder.encode(observations), seen, self.dim)

    def encode_goal(self, observations: Mapping[str, Tensor]) -> Tensor:
        """Encode ``goal_keys`` into goal space."""
        goal = self.encoder.encode_goal(observations)
        if self.goal_key is None:
            return goal
        desired = observations[self.goal_key]
        return self._join(goal, desired[..., : self.goal_dim], self.goal_dim or self.dim)

    def goal_features(self, latent: Tensor) -> Tensor:
        """Map a latent into goal space; differentiable."""
        goal = self.encoder.goal_features(latent[..., : -self.dim])
        if self.goal_key is None:
            return goal
        return torch.cat([goal, latent[..., -self.dim :][..., : self.goal_dim]], dim=-1)

    def _join(self, latent: Tensor, vector: Tensor, dim: int) -> Tensor:
        if vector.shape[-1:] != (dim,):
            raise ValueError(
                f"proprioception has dim = {dim} numbers, the observation has {tuple(vector.shape[-1:])}; "
                "give ProprioceptiveEncoder that dim, or the indices of its numbers"
            )
        beside = self.weight * vector.to(latent)
        for _ in self.latent_shape[1:]:
            beside = beside.unsqueeze(-2)
        return torch.cat([latent, beside.expand(*latent.shape[:-1], dim)], dim=-1)
