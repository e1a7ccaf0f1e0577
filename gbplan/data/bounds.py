"""Checks that numbers lie within an environment's declared spaces."""

import numpy as np
from gymnasium.spaces import Space
from numpy.typing import NDArray

TOLERANCE = 1e-4
"""Tolerance for rounding to float32 and arithmetic on it, relative to the bound, or to 1 if that is larger."""


def require_inside(values: NDArray, space: Space, name: str) -> None:
    """Check that rows of numbers lie in a space.

    NaN passes: another check, with its own message, refuses it.

    Args:
        values: rows, ``(N, *shape of the space)``.
        space: a Box; pictures (uint8) are always inside.
        name: the rows and their origin, for the message.

    Raises:
        ValueError: a number lies outside; the message names the row.
    """
    low, high = getattr(space, "low", None), getattr(space, "high", None)
    if low is None or high is None or values.dtype == np.uint8:
        return
    below = values < low - TOLERANCE * np.maximum(1, np.abs(low))
    above = values > high + TOLERANCE * np.maximum(1, np.abs(high))
    outside = (below | above).reshape(len(values), -1)
    if outside.any():
        row, column = np.argwhere(outside)[0]
        bounds = low.ravel()[column], high.ravel()[column]
        raise ValueError(
            f"{name} has {values.reshape(len(values), -1)[row, column]:.6g} in row {row}, outside the declared space "
            f"({bounds[0]:.6g} to {bounds[1]:.6g}); correct what produced it, or declare the space that you mean"
        )
