"""One step of latent dynamics."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn

from gbplan.networks.fused.constant_parameters import parameters_are_constant, prepared
from gbplan.networks.fused.mlp import Perceptron, mlp_rollout, mlp_rollout_with_pullback
from gbplan.networks.fused.pullback import Pullback, pullback_by_autograd

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

    def rollout(self, latent: Tensor, actions: Tensor, action_mean: Tensor, action_std: Tensor) -> Tensor:
        """Predict steps 1..H, one after the other; a predictor that knows a faster way may take it.

        Args:
            latent: where the rollout starts, ``(B, *D)``.
            actions: ``(B, H, A)``, environment units.
            action_mean: ``(A,)``; ``(actions - action_mean) / action_std`` are in standardised units.
            action_std: ``(A,)``.

        Returns:
            Latents after each action, ``(B, H, *D)``.
        """
        steps = []
        for action in ((actions - action_mean) / action_std).unbind(dim=1):
            latent = self(latent, action)
            steps.append(latent)
        return torch.stack(steps, dim=1)

    def rollout_with_pullback(
        self, latent: Tensor, actions: Tensor, action_mean: Tensor, action_std: Tensor
    ) -> tuple[Tensor, Pullback]:
        """Predict steps 1..H as ``rollout``, detached, and return the way back to the actions."""
        return pullback_by_autograd(lambda given: self.rollout(latent, given, action_mean, action_std), actions)


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
        self.activation: Activation = activation
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

    def rollout(self, latent: Tensor, actions: Tensor, action_mean: Tensor, action_std: Tensor) -> Tensor:
        """Predict steps 1..H; see ``Predictor``. In one fused operation, unless that would miss something.

        Fused, the gradients of ``latent`` and ``actions`` exist once (no second derivatives), and none of parameters.
        So whoever may want those, training above all, gets autograd's way: grad mode is on, a parameter requires
        gradients, and the caller is not inside ``constant_parameters``.
        """
        perceptron = self._take_apart(latent, actions, action_mean, action_std)
        if perceptron is None:
            return super().rollout(latent, actions, action_mean, action_std)
        return mlp_rollout(perceptron, latent, actions)

    def rollout_with_pullback(
        self, latent: Tensor, actions: Tensor, action_mean: Tensor, action_std: Tensor
    ) -> tuple[Tensor, Pullback]:
        """Predict steps 1..H as ``rollout``, detached, and return the way back: without autograd where it is fused."""
        perceptron = self._take_apart(latent, actions, action_mean, action_std, for_parameters=False)
        if perceptron is None or type(self).rollout is not MLPPredictor.rollout:
            return super().rollout_with_pullback(latent, actions, action_mean, action_std)
        return mlp_rollout_with_pullback(perceptron, latent, actions)

    def _take_apart(
        self,
        latent: Tensor,
        actions: Tensor,
        action_mean: Tensor,
        action_std: Tensor,
        for_parameters: bool = True,
    ) -> Perceptron | None:
        """Return what the fused rollout needs, or None where it would not be the same as calling the modules.

        ``for_parameters`` tells whether somebody might ask for gradients of the parameters.

        Remembered inside ``constant_parameters`` only: elsewhere new weights, layers or hooks count from the next call.
        """
        remembered = prepared()
        perceptron = remembered.get(self)
        if perceptron is None or perceptron.action_mean is not action_mean or perceptron.action_std is not action_std:
            parameters = self._plain_parameters()
            if parameters is None:
                return None
            perceptron = Perceptron(parameters, self.activation, self.residual, action_mean, action_std)
            if not perceptron.of_one_kind:
                return None
            remembered[self] = perceptron
        may_want_gradients = for_parameters and torch.is_grad_enabled() and not parameters_are_constant()
        if (
            (may_want_gradients and perceptron.requires_gradients)
            or latent.dtype != action_mean.dtype
            or actions.dtype != action_mean.dtype
            or latent.device != action_mean.device
            or actions.device != action_mean.device
            or latent.shape != (actions.shape[0], *self.latent_shape)
            or actions.shape[2:] != (self.action_dim,)
            or not actions.numel()
            or torch.is_autocast_enabled(latent.device.type)
            or torch.compiler.is_compiling()
            or torch._C._are_functorch_transforms_active()
        ):
            return None
        return perceptron

    def _plain_parameters(self) -> list[Tensor] | None:
        """Weight and bias of each layer in turn, or None if the network is not the one that was built."""
        # Plain loops over dictionaries: Module's attribute access would take as long as rolling out a row.
        net, activation = self.net, _ACTIVATIONS[self.activation]
        if (
            type(self).forward is not MLPPredictor.forward
            or type(net) is not nn.Sequential
            or self._forward_hooks
            or self._forward_pre_hooks
            or net._forward_hooks
            or net._forward_pre_hooks
        ):
            return None
        parameters: list[Any] = []
        for i, layer in enumerate(net._modules.values()):
            if (
                type(layer) is not (activation if i % 2 else nn.Linear)
                or layer._forward_hooks
                or layer._forward_pre_hooks
            ):
                return None
            parameters += layer._parameters.values()  # of a linear layer, weight and bias; of an activation, none
            if activation is nn.GELU and i % 2 and layer.approximate != "none":
                return None
        return None if any(tensor is None for tensor in parameters) else parameters  # None: a layer without bias
