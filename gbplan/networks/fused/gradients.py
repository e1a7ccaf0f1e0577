"""Gradients of a rollout: without autograd for known models, by autograd for all others.

Planners need gradients with respect to the actions only, and fast.
"""

from typing import Protocol

import torch
from torch import Tensor

from gbplan.networks.encoder import IdentityEncoder
from gbplan.networks.fused.mlp import mlp_rollout_with_pullback
from gbplan.networks.fused.pullback import Pullback, pullback_by_autograd
from gbplan.networks.fused.rollout import perceptron_of
from gbplan.networks.predictor import repeated
from gbplan.networks.world_model import WorldModel


class _Model(Protocol):
    def rollout(self, context: Tensor, past_actions: Tensor, actions: Tensor) -> Tensor: ...

    def goal_features(self, latents: Tensor) -> Tensor: ...


def rollout_with_pullback(
    model: _Model, context: Tensor, past_actions: Tensor, actions: Tensor
) -> tuple[Tensor, Pullback]:
    """Predict steps 1..H as ``model.rollout``, detached, and return the pullback to the actions."""
    if isinstance(model, WorldModel) and type(model).rollout is WorldModel.rollout:
        latent = repeated(context[:, -1], len(actions))
        perceptron = perceptron_of(model, latent, actions, for_parameters=False)
        if perceptron is not None:
            return mlp_rollout_with_pullback(perceptron, latent, actions)
    return pullback_by_autograd(lambda given: model.rollout(context, past_actions, given), actions)


def goal_features_with_pullback(model: _Model, latents: Tensor) -> tuple[Tensor, Pullback]:
    """``model.goal_features``, detached, and its pullback: from the gradient of its result to that of the latents."""
    if not isinstance(model, WorldModel) or type(model).goal_features is not WorldModel.goal_features:
        return pullback_by_autograd(model.goal_features, latents)
    encoder, normalizer = model.encoder, model.normalizer
    if not isinstance(encoder, IdentityEncoder) or type(encoder).goal_features is not IdentityEncoder.goal_features:
        return pullback_by_autograd(model.goal_features, latents)
    mean, std, index = normalizer.latent_mean, normalizer.latent_std, encoder.goal_index
    if isinstance(index, list) and len(set(index)) < len(index):  # gradients of one dimension add up
        return pullback_by_autograd(model.goal_features, latents)
    restored = torch.addcmul(mean, latents.detach(), std)
    if isinstance(index, slice) and len(encoder.goal_indices) == restored.shape[-1]:
        return restored, lambda gradient: gradient * std

    def pullback(gradient: Tensor) -> Tensor:
        grad_latents = gradient.new_zeros(restored.shape)
        grad_latents[..., index] = gradient
        return grad_latents * std

    return restored[..., index], pullback
