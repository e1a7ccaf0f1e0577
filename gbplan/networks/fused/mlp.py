"""The rollout of a perceptron over a whole horizon, as one operation with a hand-written gradient.

With small layers autograd spends its time on bookkeeping: some twenty nodes per step, each a few microseconds, for
matrix products of one microsecond. Here the whole horizon is one node. Forward keeps the activations; backward is the
adjoint recursion, which carries the gradient of the latent from the last step to the first.

For few rows, calls into torch cost more than the arithmetic; for many rows, the activations kept for a gradient do not
fit the cache. So numba compiles the same recursion (``kernel``), which is used where it is faster: always with ReLU
and layers of moderate size, otherwise for few rows.

The parameters are constants: there are gradients for the start and for the actions only.

B rows, H steps, A action dimensions, D latent dimensions. The torch version is time-major inside, so that the rows of
one step are contiguous for the matrix products.
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

# The rule without a measurement, from a processor with AVX-512. With ReLU and layers of at most KERNEL_LAYER weights
# (BLAS multiplies a whole tile of them at full speed) compiled loops are always used, otherwise up to KERNEL_WORK
# multiplications per step (rows times weights).
KERNEL_LAYER = 2**14
KERNEL_WORK = 2**19
# Number of activations of a layer (a megabyte in float32) that stay in the cache if only the latents are kept. Four
# times as many were up to 10 % slower with layers of 512, a quarter as many up to 17 % with layers of 128.
CACHED = 2**18
# Cost of a tanh or an exponential, in multiplications; torch computes them with vector instructions, numba does not.
TRANSCENDENTAL_WORK = 60


@dataclass(frozen=True)
class _Nonlinearity:
    """An in-place activation and its in-place chain rule.

    ``backward(gradient, kept)`` turns the gradient of the output into that of the input. ``kept`` is the output, or the
    input if the derivative needs it (``keeps_input``). Autograd calls the same kernels.
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
    """The parts of a multilayer perceptron on concatenated latents and actions.

    Attributes:
        parameters: weight ``(out, in)`` and bias ``(out,)`` of each layer in turn, from D + A to D.
        activation: a key of ``NONLINEARITIES``; applied after each layer except the last.
        residual: whether the last layer's output is added to the latent.
        action_mean: ``(A,)``, subtracted from the actions.
        action_std: ``(A,)``, divides the actions after that.
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
        """Whether any tensor requires a gradient."""
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
        """Everything that affects the speed of a rollout, except rows, horizon and machine."""
        sizes = "-".join(map(str, self.sizes.tolist()))
        return f"{sizes} {self.activation} {self.residual} {self.action_mean.dtype} {torch.get_num_threads()}"

    @cached_property
    def compiled(self) -> "_Compiled | None":
        """The rollout in compiled loops; None if numba is not available."""
        kernel = _kernel()
        return None if kernel is None else _Compiled(kernel, self)

    @cached_property
    def hidden_units(self) -> int:
        """Sum of the hidden widths."""
        return sum(self.widths)

    @cached_property
    def packed(self) -> NDArray[np.floating]:
        """All parameters in one array, in the layout of ``kernel``."""
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
        latent: start of the rollout, ``(B, D)``, standardised.
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
    """Predict steps 1..H like ``mlp_rollout``, and return the pullback to the actions, without autograd."""
    loops = _choose(perceptron, actions.shape[0], True)
    predicted, kept = loops.forward(perceptron, latent.detach(), actions.detach(), keep=True)
    return predicted, lambda gradient: loops.backward(perceptron, kept, gradient)[1]


class _MLPRollout(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, latent: Tensor, actions: Tensor, perceptron: Perceptron, loops: "_Loops") -> Tensor:
        predicted, kept = loops.forward(perceptron, latent, actions, keep=True)
        # Saving the parameters makes autograd refuse a backward pass after an optimiser has changed them.
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
            Latents ``(B, H, D)``, and what ``backward`` needs if ``keep`` is set; the two share no memory.
        """

    def backward(self, perceptron: Perceptron, kept: Sequence[Tensor], gradient: Tensor) -> tuple[Tensor, Tensor]:
        """Return gradients of the start, ``(B, D)``, and the actions, ``(B, H, A)``, from those of the latents."""


class _Products:
    """Matrix products of torch: the fastest way for many rows, on any device.

    Activations are kept in one block of memory per step and layer, which the allocator recycles. A block for the whole
    horizon may be so large that it is returned to the system, and then each page of the next one faults.
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
        # Latent and action are concatenated: each step writes its latent to where the next one reads it.
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
        # Gradients of concatenated latents and actions. A latent's part starts as the gradient of the prediction and
        # accumulates those of later steps; an action's part is zero until its step.
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
    """The compiled loops of ``kernel``, on the CPU."""

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
        # Allocated by numpy: taking the array of a tensor would cost more than the allocation.
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
    """Number of rows up to which the compiled loops are faster: as measured on this machine, or by the rule."""
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
    """Return a function that times a rollout of four steps, in compiled loops or in torch."""
    generator = torch.Generator().manual_seed(0)
    # Processor time, where it is precise and of one thread, does not count what other processes take.
    precise = time.get_clock_info("process_time").resolution <= 1e-6
    clock = time.process_time if precise and torch.get_num_threads() == 1 else time.perf_counter
    dim, action_dim = len(perceptron.biases[-1]), len(perceptron.action_mean)

    def seconds(compiled: bool, rows: int) -> float:
        loops = perceptron.compiled if compiled else _Products()
        assert loops is not None
        latent = torch.randn(rows, dim, generator=generator, dtype=perceptron.action_mean.dtype)
        actions = torch.randn(rows, 4, action_dim, generator=generator, dtype=latent.dtype)
        started = clock()
        predicted, kept = loops.forward(perceptron, latent, actions, keep=backward)
        if backward:
            loops.backward(perceptron, kept, predicted)
        return clock() - started

    return seconds


def _rows_by_rule(perceptron: Perceptron) -> float:
    """Number of rows up to which the compiled loops were faster on the machine of benchmarks/rollout.md."""
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
    except Exception as error:  # not installed, built for another numpy, no folder for its cache: torch is used instead
        warnings.warn(f"numba is not available, so rollouts will be slower: {error}", stacklevel=2)
        return None
