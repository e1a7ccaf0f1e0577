"""Recognises predictors whose rollout can be one operation."""

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from gbplan.networks.fused.constant_parameters import parameters_are_constant, prepared
from gbplan.networks.fused.mlp import Perceptron, mlp_rollout
from gbplan.networks.mlp import ACTIVATIONS, MLPPredictor
from gbplan.networks.predictor import repeated

if TYPE_CHECKING:
    from gbplan.networks.world_model import WorldModel


def fused_rollout(model: "WorldModel", context: Tensor, actions: Tensor) -> Tensor | None:
    """Roll out a model of one frame and an ``MLPPredictor`` in one operation, if the result is the same.

    The fused rollout has first derivatives with respect to ``context`` and ``actions``, and none with respect to
    parameters. So if these may be needed, as in training, the model is called step by step: grad mode is on, a
    parameter requires gradients, and the caller is not inside ``constant_parameters``.

    Returns:
        Latents after each action, ``(B, H, D)``; None if the model must be called step by step.
    """
    latent = repeated(context[:, -1], len(actions))
    perceptron = perceptron_of(model, latent, actions, for_parameters=True)
    return None if perceptron is None else mlp_rollout(perceptron, latent, actions)


def perceptron_of(model: "WorldModel", latent: Tensor, actions: Tensor, for_parameters: bool) -> Perceptron | None:
    """Return the fused rollout's inputs, or None if its result would differ from calling the modules.

    ``for_parameters`` tells whether gradients of the parameters may be needed.

    Cached inside ``constant_parameters`` only: elsewhere new weights, layers or hooks count from the next call on.
    """
    remembered = prepared()
    perceptron: Perceptron | None = remembered.get(model)
    if perceptron is None or perceptron.action_mean is not model.normalizer.action_mean:
        perceptron = _take_apart(model)
        if perceptron is None:
            return None
        remembered[model] = perceptron
    mean = perceptron.action_mean
    may_want_gradients = for_parameters and torch.is_grad_enabled() and not parameters_are_constant()
    if (
        (may_want_gradients and perceptron.requires_gradients)
        or latent.dtype != mean.dtype
        or actions.dtype != mean.dtype
        or latent.device != mean.device
        or actions.device != mean.device
        or latent.shape != (actions.shape[0], *perceptron.parameters[-1].shape)
        or actions.shape[2:] != mean.shape
        or not actions.numel()
        or torch.is_autocast_enabled(latent.device.type)
        or torch.compiler.is_compiling()
        or torch._C._are_functorch_transforms_active()
    ):
        return None
    return perceptron


def _take_apart(model: "WorldModel") -> Perceptron | None:
    predictor = model.predictor
    if type(predictor) is not MLPPredictor or predictor.history != 1 or len(predictor.latent_shape) != 1:
        return None
    parameters = _plain_parameters(predictor)
    if parameters is None:
        return None
    normalizer = model.normalizer
    perceptron = Perceptron(
        parameters, predictor.activation, predictor.residual, normalizer.action_mean, normalizer.action_std
    )
    return perceptron if perceptron.of_one_kind else None


def _plain_parameters(predictor: MLPPredictor) -> list[Tensor] | None:
    """Weight and bias of each layer in turn, or None if the network has changed since it was built."""
    # Plain loops over dictionaries: Module's attribute access would take as long as the rollout of a row.
    net, activation = predictor.net, ACTIVATIONS[predictor.activation]
    if (
        type(net) is not nn.Sequential
        or predictor._forward_hooks
        or predictor._forward_pre_hooks
        or net._forward_hooks
        or net._forward_pre_hooks
    ):
        return None
    parameters: list[Any] = []
    for i, layer in enumerate(net._modules.values()):
        if type(layer) is not (activation if i % 2 else nn.Linear) or layer._forward_hooks or layer._forward_pre_hooks:
            return None
        parameters += layer._parameters.values()  # of a linear layer, weight and bias; of an activation, none
        if activation is nn.GELU and i % 2 and layer.approximate != "none":
            return None
    return None if any(tensor is None for tensor in parameters) else parameters  # None: a layer without bias
