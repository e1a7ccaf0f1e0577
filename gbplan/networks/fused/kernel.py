"""``mlp_rollout`` in machine code: no calls into torch, and tiles of rows whose activations stay in the cache.

Compiled at first use, once per dtype, and cached on disk. Arrays are contiguous. ``packed`` is the concatenation of
each layer's weight ``(out, in)``, its transpose and its bias ``(out,)``; ``sizes`` are the layers' widths from D + A
to D. ``kept`` stores what each hidden layer's derivative needs, ordered by tile and then by layer, with an array
``(H, rows of the tile, width)`` for each; without gradients it has room for one tile and one step.
"""

import math
from functools import partial

import numba
import numpy as np
import scipy.linalg.cython_blas  # noqa: F401  (numba's matrix products need it: fail here, not while planning)

RELU, TANH, SILU, GELU = range(4)
KINDS = {"relu": RELU, "tanh": TANH, "silu": SILU, "gelu": GELU}

# Most rows of a tile: 16 rows are enough for BLAS to reach full speed. BLAS splits products of more than 2^18
# multiplications (16 rows of a layer of 128 x 128) among threads and wakes them at each step, so wider layers have
# smaller tiles.
TILE = 16
UNSHARED = 2**18
# Products with fewer rows or a narrower layer run in plain loops.
FEW_ROWS = 2
NARROW = 12

# Sums may be reordered, because otherwise no dot product would use vector instructions. NaN and infinity keep their
# meaning, because planners discard rollouts that overflow.
_compile = partial(numba.njit, cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract", "nsz"})


@_compile()
def _product(x, weight, out):  # type: ignore[no-untyped-def]
    """``out = x @ weight``; if ``out`` is narrow, ``weight`` must be transposed.

    The caller transposes, because an unneeded view costs as much as two rows of a narrow layer.
    """
    rows, n = x.shape
    m = out.shape[1]
    if m < NARROW:
        for r in range(rows):
            for j in range(m):
                total = out.dtype.type(0)
                for k in range(n):
                    total += x[r, k] * weight[j, k]
                out[r, j] = total
    elif n < NARROW:
        for r in range(rows):
            if n >= 4:
                a, b, c, d = x[r, 0], x[r, 1], x[r, 2], x[r, 3]
                for j in range(m):
                    out[r, j] = a * weight[0, j] + b * weight[1, j] + c * weight[2, j] + d * weight[3, j]
            else:
                for j in range(m):
                    out[r, j] = x[r, 0] * weight[0, j]
            for k in range(4 if n >= 4 else 1, n):
                for j in range(m):
                    out[r, j] += x[r, k] * weight[k, j]
    elif rows < FEW_ROWS:
        for r in range(rows):
            for j in range(m):
                out[r, j] = 0
            for k in range(n):
                v = x[r, k]
                if v != 0:  # a ReLU makes about half of the values zero
                    for j in range(m):
                        out[r, j] += v * weight[k, j]
    else:
        np.dot(x, weight, out)


# The order of this sum is the one that the compiler chose for `_product`, so the result equals two passes bit for bit.
@_compile(fastmath={"contract", "nsz"})
def _narrow_relu(x, weight, bias, out):  # type: ignore[no-untyped-def]
    """``out = relu(x @ weight + bias)``; one pass if ``x`` has four columns, the minimum here."""
    rows, n = x.shape
    m = out.shape[1]
    zero = x.dtype.type(0)
    for r in range(rows):
        a, b, c, d = x[r, 0], x[r, 1], x[r, 2], x[r, 3]
        if n == 4:
            for j in range(m):
                v = b * weight[1, j] + a * weight[0, j] + c * weight[2, j] + d * weight[3, j] + bias[j]
                out[r, j] = zero if v < zero else v
        else:
            for j in range(m):
                out[r, j] = b * weight[1, j] + a * weight[0, j] + c * weight[2, j] + d * weight[3, j]
            for k in range(4, n):
                for j in range(m):
                    out[r, j] += x[r, k] * weight[k, j]
            for j in range(m):
                v = out[r, j] + bias[j]
                out[r, j] = zero if v < zero else v


@_compile()
def _activate(x, bias, out, kind):  # type: ignore[no-untyped-def]
    """``x += bias``, then ``x = f(x)`` for ReLU and tanh and ``out = f(x)`` for SiLU and GELU."""
    rows, width = x.shape
    zero = x.dtype.type(0)  # a literal would make float64 of float32
    for r in range(rows):
        if kind == RELU:
            for k in range(width):
                v = x[r, k] + bias[k]
                x[r, k] = zero if v < zero else v
        elif kind == TANH:
            for k in range(width):
                x[r, k] = math.tanh(x[r, k] + bias[k])
        elif kind == SILU:
            for k in range(width):
                x[r, k] += bias[k]
                out[r, k] = x[r, k] / (1 + math.exp(-x[r, k]))
        else:
            for k in range(width):
                x[r, k] += bias[k]
                out[r, k] = 0.5 * x[r, k] * (1 + math.erf(x[r, k] * math.sqrt(0.5)))


@_compile()
def _activate_backward(gradient, kept, kind):  # type: ignore[no-untyped-def]
    """``gradient *= f'``, from f's output for ReLU and tanh and from its input for SiLU and GELU."""
    rows, width = kept.shape
    zero = kept.dtype.type(0)
    for r in range(rows):
        if kind == RELU:
            for k in range(width):
                gradient[r, k] = zero if kept[r, k] <= zero else gradient[r, k]
        elif kind == TANH:
            for k in range(width):
                gradient[r, k] *= 1 - kept[r, k] * kept[r, k]
        elif kind == SILU:
            for k in range(width):
                s = 1 / (1 + math.exp(-kept[r, k]))
                gradient[r, k] *= s * (1 + kept[r, k] * (1 - s))
        else:
            for k in range(width):
                v = kept[r, k]
                density = math.exp(-0.5 * v * v) / math.sqrt(2 * math.pi)
                gradient[r, k] *= 0.5 * (1 + math.erf(v * math.sqrt(0.5))) + v * density


@_compile()
def _tile(sizes):  # type: ignore[no-untyped-def]
    largest = 1
    for i in range(len(sizes) - 1):
        largest = max(largest, sizes[i] * sizes[i + 1])
    return max(1, min(TILE, UNSHARED // largest))


@_compile()
def forward(latent, actions, mean, std, packed, sizes, kind, residual, kept, keep, out):  # type: ignore[no-untyped-def]
    """Fill ``out``, the latents ``(B, H, D)``, and ``kept``, from the start ``(B, D)`` and actions ``(B, H, A)``."""
    batch, horizon, action_dim = actions.shape
    dim, depth = latent.shape[1], len(sizes) - 1
    slots = horizon if keep else 1
    per_row = slots * sizes[1:-1].sum()
    tile = _tile(sizes)
    scratch = np.empty(tile * (sizes[0] + dim + max(sizes)), latent.dtype)
    for first in range(0, batch, tile):
        rows = min(tile, batch - first)
        inputs = scratch[: rows * sizes[0]].reshape(rows, sizes[0])
        change = scratch[tile * sizes[0] : tile * sizes[0] + rows * dim].reshape(rows, dim)
        activated = scratch[tile * (sizes[0] + dim) :]
        for r in range(rows):
            for d in range(dim):
                inputs[r, d] = latent[first + r, d]
        for t in range(horizon):
            for r in range(rows):
                for a in range(action_dim):
                    inputs[r, dim + a] = (actions[first + r, t, a] - mean[a]) / std[a]
            x = inputs
            p, k = 0, first * per_row if keep else 0
            for i in range(depth):
                m, n = sizes[i], sizes[i + 1]
                if n < NARROW:
                    weight = packed[p : p + n * m].reshape(n, m)
                else:
                    weight = packed[p + n * m : p + 2 * n * m].reshape(m, n)
                p += 2 * n * m + n
                if i == depth - 1:
                    _product(x, weight, change)
                    for r in range(rows):
                        for d in range(dim):
                            new = change[r, d] + packed[p - n + d]
                            inputs[r, d] = inputs[r, d] + new if residual else new
                            out[first + r, t, d] = inputs[r, d]
                else:
                    bias = packed[p - n : p]
                    slot = k + t % slots * rows * n
                    y = kept[slot : slot + rows * n].reshape(rows, n)
                    k += slots * rows * n
                    if kind == RELU and 4 <= m < NARROW <= n:
                        _narrow_relu(x, weight, bias, y)
                        x = y
                    else:
                        _product(x, weight, y)
                        x = activated[: rows * n].reshape(rows, n) if kind in (SILU, GELU) else y
                        _activate(y, bias, x, kind)


@_compile()
def backward(gradient, std, packed, sizes, kind, residual, kept, of_latent, of_actions):  # type: ignore[no-untyped-def]
    """Fill the gradients of the start and the actions from the latents' ``gradient``, ``(B, H, D)``."""
    batch, horizon, dim = gradient.shape
    action_dim, depth = of_actions.shape[2], len(sizes) - 1
    per_row = horizon * sizes[1:-1].sum()
    tile = _tile(sizes)
    adjoints = np.empty(tile * (dim + sizes[0]), gradient.dtype)
    scratch = np.empty((2, tile * max(sizes)), gradient.dtype)
    for first in range(0, batch, tile):
        rows = min(tile, batch - first)
        # Gradient of a step's latent, with the contributions of all later steps; finally that of the start.
        adjoint = adjoints[: rows * dim].reshape(rows, dim)
        of_inputs = adjoints[tile * dim : tile * dim + rows * sizes[0]].reshape(rows, sizes[0])
        for r in range(rows):
            for d in range(dim):
                adjoint[r, d] = 0
        for t in range(horizon - 1, -1, -1):
            for r in range(rows):
                for d in range(dim):
                    adjoint[r, d] += gradient[first + r, t, d]
            g = adjoint
            p, k = len(packed), (first + rows) * per_row
            for i in range(depth - 1, -1, -1):
                m, n = sizes[i], sizes[i + 1]
                p -= 2 * n * m + n
                if m < NARROW:
                    weight = packed[p + n * m : p + 2 * n * m].reshape(m, n)
                else:
                    weight = packed[p : p + n * m].reshape(n, m)
                out = of_inputs if i == 0 else scratch[i % 2][: rows * m].reshape(rows, m)
                _product(g, weight, out)
                if i > 0:
                    k -= horizon * rows * m
                    slot = k + t * rows * m
                    _activate_backward(out, kept[slot : slot + rows * m].reshape(rows, m), kind)
                    g = out
            for r in range(rows):
                for d in range(dim):
                    adjoint[r, d] = adjoint[r, d] + of_inputs[r, d] if residual else of_inputs[r, d]
                for a in range(action_dim):
                    of_actions[first + r, t, a] = of_inputs[r, dim + a] / std[a]
        for r in range(rows):
            for d in range(dim):
                of_latent[first + r, d] = adjoint[r, d]
