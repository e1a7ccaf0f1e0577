"""The rollout of a perceptron over a whole horizon, as one operation with a hand-written gradient.

Autograd spends its time on bookkeeping when layers are small: some twenty nodes per step, each a few microseconds, for
matrix products of one. Here the whole horizon is one node. Forward keeps the activations; backward is the adjoint
recursion, which carries the gradient of the latent from the last step to the first.

The parameters are constants: gradients exist for the start and for the actions.

B rows, H steps, A action dimensions, D latent dimensions. Everything inside is time-major, so that the rows of one step
are adjacent, as matrix products like them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

_aten = torch.ops.aten


@dataclass(frozen=True)
class _Nonlinearity:
    """An activation in place, and the chain rule through it in place.

    ``backward(gradient, kept)`` turns the gradient of the output into that of the input. ``kept`` is the output, or the
    input where the derivative needs it (``keeps_input``). These are the kernels that autograd calls, too.
    """

    forward: Callable[[Tensor], Any]
    backward: Callable[[Tensor, Tensor], Any]
    keeps_input: bool


NONLINEARITIES = {
    "relu": _Nonlinearity(
        torch.relu_, lambda g, y: _aten.threshold_backward.grad_input(g, y, 0, grad_input=g), keeps_input=False
    ),
    "tanh": _Nonlinearity(torch.tanh_, lambda g, y: _aten.tanh_backward.grad_input(g, y, grad_input=g), False),
    "silu": _Nonlinearity(_aten.silu_, lambda g, x: _aten.silu_backward.grad_input(g, x, grad_input=g), True),
    "gelu": _Nonlinearity(_aten.gelu_, lambda g, x: _aten.gelu_backward.grad_input(g, x, grad_input=g), True),
}


@dataclass(frozen=True)
class Perceptron:
    """A multilayer perceptron on latent and action side by side, taken apart.

    Attributes:
        weights: of each layer, ``(out, in)``; the first takes D + A, the last gives D.
        biases: of each layer, ``(out,)``.
        activation: a key of ``NONLINEARITIES``; after each layer but the last.
        residual: whether the last layer's output is added to the latent.
        action_mean: ``(A,)``, subtracted from the actions first.
        action_std: ``(A,)``, by which they are divided then.
    """

    weights: tuple[Tensor, ...]
    biases: tuple[Tensor, ...]
    activation: str
    residual: bool
    action_mean: Tensor
    action_std: Tensor


def mlp_rollout(perceptron: Perceptron, latent: Tensor, actions: Tensor) -> Tensor:
    """Predict steps 1..H, differentiably (once) in ``latent`` and ``actions``.

    Args:
        perceptron: the predictor; all its tensors have the inputs' dtype, float32 or float64, and device.
        latent: where the rollout starts, ``(B, D)``, standardised.
        actions: ``(B, H, A)``, environment units.

    Returns:
        Latents after each action, ``(B, H, D)``.
    """
    if torch.is_grad_enabled() and (latent.requires_grad or actions.requires_grad):
        predicted: Tensor = _MLPRollout.apply(latent, actions, perceptron)
        return predicted
    with torch.no_grad():
        inputs, _ = _forward(perceptron, latent, actions, keep=False)
        return _latents(inputs, latent.shape[1])


class _MLPRollout(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, latent: Tensor, actions: Tensor, perceptron: Perceptron) -> Tensor:
        inputs, kept = _forward(perceptron, latent, actions, keep=True)
        ctx.perceptron = perceptron
        # Saving the weights makes autograd refuse to go back through weights that an optimiser has changed since.
        ctx.save_for_backward(*kept, *perceptron.weights, perceptron.action_std)
        return _latents(inputs, latent.shape[1])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        kept = ctx.saved_tensors[: len(ctx.perceptron.weights) - 1]
        latent, actions = _backward(ctx.perceptron, kept, gradient)
        return latent, actions, None


def _latents(inputs: Tensor, dim: int) -> Tensor:
    """Steps 1..H out of ``inputs``, ``(B, H, D)``: a copy, because what callers do to it must not reach ``inputs``."""
    return inputs[1:, :, :dim].transpose(0, 1).contiguous()


def _forward(perceptron: Perceptron, latent: Tensor, actions: Tensor, keep: bool) -> tuple[Tensor, list[Tensor]]:
    """Roll out.

    Returns:
        The first layer's inputs, latent and action side by side, ``(H + 1, B, D + A)``; there is no last action. And
        per hidden layer what its derivative needs, ``(H, B, width)``, or None to speak of if not ``keep``.
    """
    (rows, horizon, action_dim), dim = actions.shape, latent.shape[1]
    nonlinearity = NONLINEARITIES[perceptron.activation]
    inputs = latent.new_empty(horizon + 1, rows, dim + action_dim)
    inputs[0, :, :dim] = latent
    torch.sub(actions.transpose(0, 1), perceptron.action_mean, out=inputs[:horizon, :, dim:]).div_(
        perceptron.action_std
    )
    *hidden, last = [(bias, weight.t()) for bias, weight in zip(perceptron.biases, perceptron.weights, strict=True)]
    # Without a backward pass to come one step's worth of memory is enough, and stays in the cache.
    kept = [latent.new_empty(horizon if keep else 1, rows, len(bias)) for bias, _ in hidden]
    separate = keep and nonlinearity.keeps_input
    outputs = [torch.empty_like(layer[0]) for layer in kept] if separate else None
    states = inputs[:, :, :dim].unbind(0)
    for t, x in enumerate(inputs[:horizon].unbind(0)):
        for i, (bias, weight) in enumerate(hidden):
            y = torch.addmm(bias, x, weight, out=kept[i][t if keep else 0])
            x = y if outputs is None else outputs[i].copy_(y)
            nonlinearity.forward(x)
        torch.addmm(last[0], x, last[1], out=states[t + 1])
        if perceptron.residual:
            states[t + 1].add_(states[t])
    return inputs, kept


def _backward(perceptron: Perceptron, kept: tuple[Tensor, ...], gradient: Tensor) -> tuple[Tensor, Tensor]:
    """Gradients of the start, ``(B, D)``, and the actions, ``(B, H, A)``, from those of the latents, ``(B, H, D)``."""
    first, *others = perceptron.weights
    rows, horizon, dim = gradient.shape
    chain_rule = NONLINEARITIES[perceptron.activation].backward
    # Becomes the gradient of each latent, with all that the later steps owe to it.
    adjoint = gradient.transpose(0, 1).clone(memory_format=torch.contiguous_format)
    scratch = [gradient.new_empty(rows, len(weight)) for weight in perceptron.weights[:-1]]
    of_inputs = gradient.new_empty(horizon, rows, first.shape[1])
    for t in range(horizon - 1, -1, -1):
        g = adjoint[t]
        for weight, y, out in zip(reversed(others), reversed(kept), reversed(scratch), strict=True):
            g = torch.mm(g, weight, out=out)
            chain_rule(g, y[t])
        torch.mm(g, first, out=of_inputs[t])
        of_latent = of_inputs[t, :, :dim]
        if perceptron.residual:
            of_latent.add_(adjoint[t])
        if t:
            adjoint[t - 1].add_(of_latent)
    return of_inputs[0, :, :dim].clone(), (of_inputs[:, :, dim:] / perceptron.action_std).transpose(0, 1)
