"""A world model: encoder, predictor and normaliser in one module."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from gbplan.networks.encoder import Encoder
from gbplan.networks.fused.pullback import Pullback, pullback_by_autograd
from gbplan.networks.predictor import Predictor


class WorldModel(nn.Module):
    """Predicts latents under actions; takes observations and actions in environment units.

    B tasks, K history frames, H steps, A action dimensions, *D latent shape, *G goal shape. Latents are standardised
    (zero mean and unit variance over the training data). The statistics are buffers, so they travel with the weights;
    until ``set_statistics`` is called they are the identity.
    """

    latent_mean: Tensor
    latent_std: Tensor
    action_mean: Tensor
    action_std: Tensor
    has_statistics: Tensor

    def __init__(self, encoder: Encoder, predictor: Predictor) -> None:
        """Join an encoder and a predictor.

        Args:
            encoder: observations to latents, and latents to goal space.
            predictor: latents and actions to next latents, in standardised units.

        Raises:
            ValueError: the encoder's latent shape is not the predictor's.
        """
        super().__init__()
        if tuple(encoder.latent_shape) != tuple(predictor.latent_shape):
            raise ValueError(
                f"encoder and predictor must agree on the latent shape, got {tuple(encoder.latent_shape)} from the "
                f"encoder and {tuple(predictor.latent_shape)} from the predictor; give both the same dimension"
            )
        self.encoder = encoder
        self.predictor = predictor
        self.register_buffer("latent_mean", torch.zeros(encoder.latent_shape))
        self.register_buffer("latent_std", torch.ones(encoder.latent_shape))
        self.register_buffer("action_mean", torch.zeros(predictor.action_dim))
        self.register_buffer("action_std", torch.ones(predictor.action_dim))
        self.register_buffer("has_statistics", torch.zeros((), dtype=torch.bool))

    @property
    def latent_shape(self) -> tuple[int, ...]:
        """*D, the shape of one latent."""
        return tuple(self.encoder.latent_shape)

    @property
    def action_dim(self) -> int:
        """A, the number of action dimensions."""
        return self.predictor.action_dim

    def set_statistics(self, latent_mean: Tensor, latent_std: Tensor, action_mean: Tensor, action_std: Tensor) -> None:
        """Set the normaliser from the training data.

        Args:
            latent_mean: mean of the encoder's output, ``(*D)``.
            latent_std: its standard deviation, ``(*D)``, > 0.
            action_mean: mean action in environment units, ``(A,)``.
            action_std: its standard deviation, ``(A,)``, > 0.

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
            buffer = getattr(self, name)
            if value.shape != buffer.shape:
                raise ValueError(
                    f"{name} must have shape {tuple(buffer.shape)}, got {tuple(value.shape)}; "
                    "was the data made by another environment than the model is sized for?"
                )
            if not torch.isfinite(value).all() or (name.endswith("std") and (value <= 0).any()):
                raise ValueError(f"{name} must be finite, and positive for a standard deviation, got {value.tolist()}")
        for name, value in given.items():
            getattr(self, name).copy_(value)
        self.has_statistics.fill_(True)

    def encode(self, observations: Mapping[str, Tensor]) -> Tensor:
        """Encode a goal-conditioned observation dict with entries ``(..., *obs)`` into latents ``(..., *D)``.

        Any leading axes do: ``(B, K, ...)`` for a planning context, ``(B, T, ...)`` for a window of training data.
        """
        latent: Tensor = self.encoder(observations[self.encoder.observation_key])
        return (latent - self.latent_mean) / self.latent_std

    def encode_goal(self, desired_goal: Tensor) -> Tensor:
        """Map ``desired_goal`` ``(B, ...)`` into goal space ``(B, *G)``."""
        return self.encoder.encode_goal(desired_goal)

    def achieved_goal(self, latent: Tensor) -> Tensor:
        """Map latents ``(..., *D)`` into goal space ``(..., *G)``, the units of ``encode_goal``; differentiable."""
        return self.encoder.achieved_goal(latent * self.latent_std + self.latent_mean)

    def achieved_goal_with_pullback(self, latent: Tensor) -> tuple[Tensor, Pullback]:
        """``achieved_goal``, detached, and the way back: from the gradient of what it returns to that of ``latent``."""
        if type(self).achieved_goal is not WorldModel.achieved_goal:
            return pullback_by_autograd(self.achieved_goal, latent)
        mean, std = self.latent_mean, self.latent_std
        achieved, pullback = self.encoder.achieved_goal_with_pullback(torch.addcmul(mean, latent.detach(), std))
        return achieved, lambda gradient: pullback(gradient) * std

    def step(self, latent: Tensor, action: Tensor) -> Tensor:
        """Predict one step from latents ``(..., *D)`` and actions ``(..., A)`` (environment units), over any axes."""
        predicted: Tensor = self.predictor(latent, (action - self.action_mean) / self.action_std)
        return predicted

    def rollout(self, context: Tensor, past_actions: Tensor, actions: Tensor) -> Tensor:
        """Predict steps 1..H, differentiably in ``actions``.

        Args:
            context: latents of the last K observed frames, ``(B, K, *D)``; this model looks at the last one only.
            past_actions: actions between the context's frames, ``(B, K - 1, A)``, in environment units.
            actions: actions to try, ``(B, H, A)``, in environment units.

        Returns:
            Latents after each action, ``(B, H, *D)``; the context is not among them.
        """
        del past_actions  # the predictor is Markov
        return self.predictor.rollout(context[:, -1], actions, self.action_mean, self.action_std)

    def rollout_with_pullback(self, context: Tensor, past_actions: Tensor, actions: Tensor) -> tuple[Tensor, Pullback]:
        """Predict steps 1..H as ``rollout``, detached, and return the way back to the actions.

        For planners, which want gradients of the actions and of nothing else, and want them fast.
        """
        if type(self).rollout is not WorldModel.rollout:
            return pullback_by_autograd(lambda given: self.rollout(context, past_actions, given), actions)
        return self.predictor.rollout_with_pullback(context[:, -1], actions, self.action_mean, self.action_std)
