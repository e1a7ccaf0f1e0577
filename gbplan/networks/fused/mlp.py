"""The rollout of a perceptron over a whole horizon, as one operation with a hand-written gradient.

Autograd spends its time on bookkeeping when layers are small: some twenty nodes per step, each a few microseconds, for
matrix products of one. Here the whole horizon is one node. Forward keeps the activations; backward is the adjoint
recursion, which carries the gradient of the latent from the last step to the first.

The calls into torch outweigh the arithmetic of few rows, and the activations of many, kept for a gradient, leave the
cache. So the same recursion runs compiled by numba (``kernel``) where that is faster: with ReLU and layers
of moderate size always, else for few rows.

The parameters are constants: gradients exist for the start and for the actions.

B rows, H steps, A action dimensions, D latent dimensions. With torch everything inside is time-major, so that
the rows of one step are adjacent, as matrix products like them.
"""

import importlib
import math
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import pairwise
from types import ModuleType
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.autograd.function import once_differentiable

from gbplan.networks.fused.calibration import Seconds, calibrated_rows
from gbplan.networks.fused.pullback import Pullback

_aten = torch.ops.aten

# The rule where nothing is measured, from a processor with AVX-512: with ReLU and layers of which BLAS takes a whole
# tile at its best, compiled loops always; else up to so many multiplications per step, rows times weights.
KERNEL_LAYER = 2**14
KERNEL_WORK = 2**19
# So many activations of a layer, a megabyte in float32, stay in the cache where the latents are all that is kept. Four
# times as many were up to 10 % slower with layers of 512, a quarter as many up to 17 % with layers of 128.
CACHED = 2**18
# A tanh or an exponential, which torch computes with vector instructions and numba does not, in multiplications.
TRANSCENDENTAL_WORK = 60


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


@dataclass(frozen=True, eq=False)
class Perceptron:
    """A multilayer perceptron on latent and action side by side, taken apart.

    Attributes:
        parameters: weight ``(out, in)`` and bias ``(out,)`` of each layer in turn, from D + A to D.
        activation: a key of ``NONLINEARITIES``; after each layer but the last.
        residual: whether the last layer's output is added to the latent.
        action_mean: ``(A,)``, subtracted from the actions first.
        action_std: ``(A,)``, by which they are divided then.
    """

    parameters: Sequence[Tensor]
    activation: str
    residual: bool
    action_mean: Tensor
    action_std: Tensor

    @property
    def of_one_kind(self) -> bool:
        """Whether all tensors are on one device and of one type, float32 or float64."""
        tensors = (*self.parameters, self.action_mean, self.action_std)
        kinds = {(tensor.dtype, tensor.device) for tensor in tensors}
        return len(kinds) == 1 and self.action_mean.dtype in (torch.float32, torch.float64)

    @property
    def requires_gradients(self) -> bool:
        """Whether some tensor does."""
        return any(tensor.requires_grad for tensor in (*self.parameters, self.action_mean, self.action_std))

    @property
    def weights(self) -> Sequence[Tensor]:
        """Weight of each layer."""
        return self.parameters[::2]

    @property
    def biases(self) -> Sequence[Tensor]:
        """Bias of each layer."""
        return self.parameters[1::2]

    @property
    def widths(self) -> list[int]:
        """Widths of the hidden layers."""
        return [len(bias) for bias in self.biases[:-1]]

    @cached_property
    def sizes(self) -> NDArray[np.int64]:
        """Widths of the layers, from D + A to D."""
        return np.array([self.parameters[0].shape[1], *map(len, self.biases)])

    @cached_property
    def shape(self) -> str:
        """All that the speed of a rollout depends on, apart from rows, horizon and machine."""
        sizes = "-".join(map(str, self.sizes.tolist()))
        return f"{sizes} {self.activation} {self.residual} {self.action_mean.dtype} {torch.get_num_threads()}"

    @cached_property
    def compiled(self) -> "_Compiled | None":
        """The rollout in compiled loops; None where they are not to be had."""
        kernel = _kernel()
        return None if kernel is None else _Compiled(kernel, self)

    @cached_property
    def hidden_units(self) -> int:
        """Sum of the hidden widths."""
        return sum(self.widths)

    @cached_property
    def packed(self) -> NDArray[np.floating]:
        """All parameters one after the other, as ``kernel`` takes them."""
        with torch.no_grad():
            layers = zip(self.weights, self.biases, strict=True)
            packed: NDArray[np.floating] = torch.cat(
                [part.reshape(-1) for weight, bias in layers for part in (weight, weight.t(), bias)]
            ).numpy()
        return packed


def mlp_rollout(perceptron: Perceptron, latent: Tensor, actions: Tensor) -> Tensor:
    """Predict steps 1..H, differentiably (once) in ``latent`` and ``actions``.

    Args:
        perceptron: the predictor; all its tensors have the inputs' dtype, float32 or float64, and device.
        latent: where the rollout starts, ``(B, D)``, standardised.
        actions: ``(B, H, A)``, environment units.

    Returns:
        Latents after each action, ``(B, H, D)``.
    """
    differentiable = torch.is_grad_enabled() and (latent.requires_grad or actions.requires_grad)
    loops = _choose(perceptron, actions.shape[0], differentiable)
    if differentiable:
        predicted: Tensor = _MLPRollout.apply(latent, actions, perceptron, loops)
        return predicted
    return loops.forward(perceptron, latent.detach(), actions.detach(), keep=False)[0]


def mlp_rollout_with_pullback(perceptron: Perceptron, latent: Tensor, actions: Tensor) -> tuple[Tensor, Pullback]:
    """Predict steps 1..H as ``mlp_rollout``, and return the way back to the actions; autograd has no part in it."""
    loops = _choose(perceptron, actions.shape[0], True)
    predicted, kept = loops.forward(perceptron, latent.detach(), actions.detach(), keep=True)
    return predicted, lambda gradient: loops.backward(perceptron, kept, gradient)[1]


class _MLPRollout(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, latent: Tensor, actions: Tensor, perceptron: Perceptron, loops: "_Loops") -> Tensor:
        predicted, kept = loops.forward(perceptron, latent, actions, keep=True)
        # Saving the parameters makes autograd refuse to go back through those that an optimiser has changed since.
        ctx.save_for_backward(*kept, *perceptron.parameters)
        ctx.perceptron, ctx.loops = perceptron, loops
        return predicted

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        kept = ctx.saved_tensors[: -len(ctx.perceptron.parameters)]
        of_latent, of_actions = ctx.loops.backward(ctx.perceptron, kept, gradient)
        return of_latent, of_actions, None, None


class _Loops(Protocol):
    """One way to compute the rollout and its gradient."""

    def forward(
        self, perceptron: Perceptron, latent: Tensor, actions: Tensor, keep: bool
    ) -> tuple[Tensor, Sequence[Tensor]]:
        """Roll out.

        Returns:
            Latents ``(B, H, D)``, sharing no memory with what is kept; and, if ``keep``, whatever ``backward`` needs.
        """

    def backward(self, perceptron: Perceptron, kept: Sequence[Tensor], gradient: Tensor) -> tuple[Tensor, Tensor]:
        """Gradients of the start, ``(B, D)``, and the actions, ``(B, H, A)``, from that of the latents."""


class _Products:
    """Matrix products: the fastest for many rows, and the way for any device.

    One block of memory per step and layer is kept: the allocator recycles those, while a block for the whole horizon
    may be so large that it goes back to the system, and each page of the next one faults.
    """

    @torch.no_grad()
    def forward(
        self, perceptron: Perceptron, latent: Tensor, actions: Tensor, keep: bool
    ) -> tuple[Tensor, Sequence[Tensor]]:
        (rows, horizon, action_dim), dim = actions.shape, latent.shape[1]
        block = max(1, CACHED // max(perceptron.widths, default=1))
        if not keep and latent.is_cpu and rows > block:
            blocks = zip(latent.split(block), actions.split(block), strict=True)
            return torch.cat([self.forward(perceptron, *part, keep=False)[0] for part in blocks]), []
        nonlinearity = NONLINEARITIES[perceptron.activation]
        # Latent and action side by side: each step writes its latent where the next one reads it.
        inputs = latent.new_empty(horizon + 1, rows, dim + action_dim)
        states = inputs[:, :, :dim].unbind(0)
        states[0].copy_(latent)
        torch.sub(actions.transpose(0, 1), perceptron.action_mean, out=inputs[:horizon, :, dim:])
        inputs[:horizon, :, dim:].div_(perceptron.action_std)
        *hidden, last = zip(perceptron.biases, (weight.t() for weight in perceptron.weights), strict=True)
        kept: list[Tensor] = []
        scratch = [latent.new_empty(rows, width) for width in perceptron.widths]  # stays in the cache
        for t, x in enumerate(inputs[:horizon].unbind(0)):
            for (bias, weight), memory in zip(hidden, scratch, strict=True):
                if keep:
                    x = torch.addmm(bias, x, weight)
                    kept.append(x)
                    x = memory.copy_(x) if nonlinearity.keeps_input else x
                else:
                    x = torch.addmm(bias, x, weight, out=memory)
                nonlinearity.forward(x)
            torch.addmm(last[0], x, last[1], out=states[t + 1])
            if perceptron.residual:
                states[t + 1].add_(states[t])
        return inputs[1:, :, :dim].transpose(0, 1).contiguous(), kept

    @torch.no_grad()
    def backward(self, perceptron: Perceptron, kept: Sequence[Tensor], gradient: Tensor) -> tuple[Tensor, Tensor]:
        first, *others = perceptron.weights
        rows, horizon, dim = gradient.shape
        chain_rule = NONLINEARITIES[perceptron.activation].backward
        # Of latent and action side by side. A latent's part begins as the gradient of the prediction and collects what
        # the later steps owe to it; the action's is zero until its step.
        of_inputs = gradient.new_zeros(horizon, rows, first.shape[1])
        of_inputs[:, :, :dim] = gradient.transpose(0, 1)
        of_latents = of_inputs[:, :, :dim].unbind(0)
        layers = list(zip(others, (gradient.new_empty(rows, width) for width in perceptron.widths), strict=True))[::-1]
        activations = reversed(kept)
        for t, of_input in reversed(list(enumerate(of_inputs.unbind(0)))):
            g = of_latents[t]
            for weight, memory in layers:
                g = torch.mm(g, weight, out=memory)
                chain_rule(g, next(activations))
            # With no hidden layer g is a part of of_input, which a product must not overwrite while it reads.
            g = g if layers else g.clone()
            if perceptron.residual:
                of_input.addmm_(g, first)
            else:
                torch.mm(g, first, out=of_input)
            if t:
                of_latents[t - 1].add_(of_latents[t])
        return of_latents[0], (of_inputs[:, :, dim:] / perceptron.action_std).transpose(0, 1)


class _Compiled:
    """The kernels of ``kernel``, on the CPU."""

    def __init__(self, kernel: ModuleType, perceptron: Perceptron) -> None:
        self.kernel = kernel
        kind = kernel.KINDS[perceptron.activation]
        self.layers = perceptron.packed, perceptron.sizes, kind, perceptron.residual
        self.mean, self.std = perceptron.action_mean.detach().numpy(), perceptron.action_std.detach().numpy()

    def forward(
        self, perceptron: Perceptron, latent: Tensor, actions: Tensor, keep: bool
    ) -> tuple[Tensor, Sequence[Tensor]]:
        rows, horizon, _ = actions.shape
        dtype = self.mean.dtype
        # Made by numpy: of a tensor, taking its array would cost more than making it.
        kept = np.empty((horizon * rows if keep else self.kernel.TILE) * perceptron.hidden_units, dtype)
        predicted = np.empty((rows, horizon, latent.shape[1]), dtype)
        start, given = latent.contiguous().numpy(), actions.contiguous().numpy()
        self.kernel.forward(start, given, self.mean, self.std, *self.layers, kept, keep, predicted)
        return torch.from_numpy(predicted), [torch.from_numpy(kept)] if keep else []

    def backward(self, perceptron: Perceptron, kept: Sequence[Tensor], gradient: Tensor) -> tuple[Tensor, Tensor]:
        rows, horizon, dim = gradient.shape
        of_latent = np.empty((rows, dim), self.mean.dtype)
        of_actions = np.empty((rows, horizon, len(self.mean)), self.mean.dtype)
        given, activations = gradient.contiguous().numpy(), kept[0].numpy()
        self.kernel.backward(given, self.std, *self.layers, activations, of_latent, of_actions)
        return torch.from_numpy(of_latent), torch.from_numpy(of_actions)


def _choose(perceptron: Perceptron, rows: int, backward: bool) -> _Loops:
    compiled = perceptron.compiled if rows <= _most_compiled_rows(perceptron, backward) else None
    return _Products() if compiled is None else compiled


_measured: dict[tuple[str, bool], float] = {}


def _most_compiled_rows(perceptron: Perceptron, backward: bool) -> float:
    """Up to how many rows the compiled loops are faster: as measured on this machine, or by rule."""
    if not perceptron.action_mean.is_cpu:
        return 0
    key = perceptron.shape, backward
    if key not in _measured:
        rule = _rows_by_rule(perceptron)
        if perceptron.compiled is None:
            return rule
        _measured[key] = calibrated_rows(f"{perceptron.shape} {backward}", rule, _stopwatch(perceptron, backward))
    return _measured[key]


def _stopwatch(perceptron: Perceptron, backward: bool) -> Seconds:
    """How long a rollout of four steps takes one way or the other."""
    generator = torch.Generator().manual_seed(0)
    dim, action_dim = len(perceptron.biases[-1]), len(perceptron.action_mean)

    def seconds(compiled: bool, rows: int) -> float:
        loops = perceptron.compiled if compiled else _Products()
        assert loops is not None
        latent = torch.randn(rows, dim, generator=generator, dtype=perceptron.action_mean.dtype)
        actions = torch.randn(rows, 4, action_dim, generator=generator, dtype=latent.dtype)
        started = time.perf_counter()
        predicted, kept = loops.forward(perceptron, latent, actions, keep=backward)
        if backward:
            loops.backward(perceptron, kept, predicted)
        return time.perf_counter() - started

    return seconds


def _rows_by_rule(perceptron: Perceptron) -> float:
    """Up to how many rows the compiled loops were faster on the machine of benchmarks/rollout.md."""
    sizes = perceptron.sizes.tolist()
    layers = [m * n for m, n in pairwise(sizes)]
    work = sum(layers)
    if perceptron.activation != "relu":
        work += sum(sizes[1:-1]) * TRANSCENDENTAL_WORK
    elif max(layers) <= KERNEL_LAYER:
        return math.inf
    return KERNEL_WORK // work


@cache
def _kernel() -> ModuleType | None:
    """The compiled loops; imported when needed, because numba takes half a second."""
    try:
        return importlib.import_module("gbplan.networks.fused.kernel")
    except Exception as error:  # not installed, made for another numpy, nowhere to cache: torch does it as well
        warnings.warn(f"numba is not available, so rollouts will be slower: {error}", stacklevel=2)
        return None
