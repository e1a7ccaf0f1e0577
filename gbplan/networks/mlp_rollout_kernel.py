"""``mlp_rollout`` in machine code, for few rows: there a call into torch costs more than its arithmetic.

Compiled at first use, once per dtype, and cached on disk. Arrays are contiguous. ``packed`` holds each layer's weight
``(out, in)`` and bias ``(out,)``, one after the other; ``sizes`` are the layers' widths from D + A to D; ``kept`` holds
what each hidden layer's derivative needs, ``(slots, B, width)`` one after the other, with H slots or a single one.
"""

import math
from functools import partial

import numba
import numpy as np

RELU, TANH, SILU, GELU = range(4)
KINDS = {"relu": RELU, "tanh": TANH, "silu": SILU, "gelu": GELU}

# Sums may be reordered, or no dot product would use vector instructions; NaN and infinity keep their meaning, because
# planners pass over rollouts that overflow.
_compile = partial(numba.njit, cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract", "nsz"})


@_compile()
def _linear(x, weight, bias, out):  # type: ignore[no-untyped-def]
    """``out = x @ weight.T + bias``; a row of ``weight`` stays in the cache for all rows of ``x``."""
    for j in range(len(weight)):
        for r in range(len(x)):
            total = bias[j]
            for k in range(weight.shape[1]):
                total += weight[j, k] * x[r, k]
            out[r, j] = total


@_compile()
def _linear_backward(gradient, weight, out):  # type: ignore[no-untyped-def]
    """``out = gradient @ weight``, without the units through which nothing flows: with ReLU, half of them."""
    for r in range(len(gradient)):
        for k in range(weight.shape[1]):
            out[r, k] = 0
        for j in range(len(weight)):
            g = gradient[r, j]
            if g != 0:
                for k in range(weight.shape[1]):
                    out[r, k] += g * weight[j, k]


@_compile()
def _activate(x, out, kind):  # type: ignore[no-untyped-def]
    """``out = f(x)``; the two may be one array."""
    for r in range(x.shape[0]):
        for k in range(x.shape[1]):
            v = x[r, k]
            if kind == RELU:
                out[r, k] = 0 if v < 0 else v
            elif kind == TANH:
                out[r, k] = math.tanh(v)
            elif kind == SILU:
                out[r, k] = v / (1 + math.exp(-v))
            else:
                out[r, k] = 0.5 * v * (1 + math.erf(v * math.sqrt(0.5)))


@_compile()
def _activate_backward(gradient, kept, kind):  # type: ignore[no-untyped-def]
    """``gradient *= f'``, from f's output for ReLU and tanh and from its input for SiLU and GELU."""
    for r in range(kept.shape[0]):
        for k in range(kept.shape[1]):
            v = kept[r, k]
            if kind == RELU:
                if v <= 0:
                    gradient[r, k] = 0
            elif kind == TANH:
                gradient[r, k] *= 1 - v * v
            elif kind == SILU:
                s = 1 / (1 + math.exp(-v))
                gradient[r, k] *= s * (1 + v * (1 - s))
            else:
                density = math.exp(-0.5 * v * v) / math.sqrt(2 * math.pi)
                gradient[r, k] *= 0.5 * (1 + math.erf(v * math.sqrt(0.5))) + v * density


@_compile()
def forward(latent, actions, mean, std, packed, sizes, kind, residual, kept, slots, out):  # type: ignore[no-untyped-def]
    """Fill ``out``, the latents ``(B, H, D)``, and ``kept``, from the start ``(B, D)`` and actions ``(B, H, A)``."""
    rows, horizon, action_dim = actions.shape
    dim, depth = latent.shape[1], len(sizes) - 1
    inputs = np.empty((rows, dim + action_dim), latent.dtype)
    change = np.empty((rows, dim), latent.dtype)
    activated = np.empty(rows * max(sizes), latent.dtype)
    for r in range(rows):
        for d in range(dim):
            inputs[r, d] = latent[r, d]
    for t in range(horizon):
        for r in range(rows):
            for a in range(action_dim):
                inputs[r, dim + a] = (actions[r, t, a] - mean[a]) / std[a]
        x = inputs
        p = k = 0
        for i in range(depth):
            n, m = sizes[i + 1], sizes[i]
            weight = packed[p : p + n * m].reshape(n, m)
            bias = packed[p + n * m : p + n * m + n]
            p += n * m + n
            if i == depth - 1:
                _linear(x, weight, bias, change)
            else:
                slot = k + t % slots * rows * n
                y = kept[slot : slot + rows * n].reshape(rows, n)
                k += slots * rows * n
                _linear(x, weight, bias, y)
                x = activated[: rows * n].reshape(rows, n) if kind in (SILU, GELU) else y
                _activate(y, x, kind)
        for r in range(rows):
            for d in range(dim):
                inputs[r, d] = inputs[r, d] + change[r, d] if residual else change[r, d]
                out[r, t, d] = inputs[r, d]


@_compile()
def backward(gradient, std, packed, sizes, kind, residual, kept, of_latent, of_actions):  # type: ignore[no-untyped-def]
    """Fill the gradients of the start and the actions from that of the latents, ``gradient`` ``(B, H, D)``."""
    rows, horizon, dim = gradient.shape
    adjoint = of_latent  # of any step's latent, with all that the later steps owe to it; at the end, of the start
    for r in range(rows):
        for d in range(dim):
            adjoint[r, d] = 0
    of_inputs = np.empty((rows, sizes[0]), gradient.dtype)
    scratch = np.empty((2, rows * max(sizes)), gradient.dtype)
    for t in range(horizon - 1, -1, -1):
        for r in range(rows):
            for d in range(dim):
                adjoint[r, d] += gradient[r, t, d]
        g = adjoint
        p, k = len(packed), len(kept)
        for i in range(len(sizes) - 2, -1, -1):
            n, m = sizes[i + 1], sizes[i]
            p -= n * m + n
            weight = packed[p : p + n * m].reshape(n, m)
            out = of_inputs if i == 0 else scratch[i % 2][: rows * m].reshape(rows, m)
            _linear_backward(g, weight, out)
            if i > 0:
                k -= horizon * rows * m
                slot = k + t * rows * m
                _activate_backward(out, kept[slot : slot + rows * m].reshape(rows, m), kind)
                g = out
        for r in range(rows):
            for d in range(dim):
                adjoint[r, d] = adjoint[r, d] + of_inputs[r, d] if residual else of_inputs[r, d]
            for a in range(of_actions.shape[2]):
                of_actions[r, t, a] = of_inputs[r, dim + a] / std[a]
