"""Proprioception beside an encoder's latents."""

from collections.abc import Mapping

import torch
from torch import Tensor

from gbplan.networks.encoder import Encoder


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
    ) -> None:
        """Join encoder and vector.

        Args:
            encoder: makes the rest of the latent.
            dim: numbers in the vector.
            key: entry of the observation that is the vector.
            goal_key: entry of the observation that is the same vector at the goal; None: goals do not contain it.
            weight: weight of the vector, in latents and goals alike; the larger, the more it counts in a distance.

        Raises:
            ValueError: ``dim`` < 1, or the weight is not positive.
        """
        super().__init__(encoder.frozen)
        if dim < 1 or not weight > 0:
            raise ValueError(f"dim must be at least 1 and weight positive, got {dim} and {weight}")
        *tokens, width = encoder.latent_shape
        self.latent_shape = (*tokens, width + dim)
        self.observation_keys = (*encoder.observation_keys, key)
        self.goal_keys = encoder.goal_keys if goal_key is None else (*encoder.goal_keys, goal_key)
        self.encoder = encoder
        self.dim = dim
        self.key = key
        self.goal_key = goal_key
        self.weight = weight

    def encode(self, observations: Mapping[str, Tensor]) -> Tensor:
        """Encode ``observation_keys`` into latents ``(..., *D)``."""
        return self._join(self.encoder.encode(observations), observations[self.key])

    def encode_goal(self, observations: Mapping[str, Tensor]) -> Tensor:
        """Encode ``goal_keys`` into goal space."""
        goal = self.encoder.encode_goal(observations)
        return goal if self.goal_key is None else self._join(goal, observations[self.goal_key])

    def goal_features(self, latent: Tensor) -> Tensor:
        """Map a latent into goal space; differentiable."""
        goal = self.encoder.goal_features(latent[..., : -self.dim])
        return goal if self.goal_key is None else torch.cat([goal, latent[..., -self.dim :]], dim=-1)

    def _join(self, latent: Tensor, vector: Tensor) -> Tensor:
        if vector.shape[-1:] != (self.dim,):
            raise ValueError(
                f"proprioception has dim = {self.dim} numbers, the observation has {tuple(vector.shape[-1:])}; "
                "give ProprioceptiveEncoder that dim"
            )
        beside = self.weight * vector.to(latent)
        for _ in self.latent_shape[1:]:
            beside = beside.unsqueeze(-2)
        return torch.cat([latent, beside.expand(*latent.shape[:-1], self.dim)], dim=-1)
