"""Numbers within the spaces that an environment declares."""

import numpy as np
from gymnasium.spaces import Space
from numpy.typing import NDArray

TOLERANCE = 1e-4
"""Of a bound, or of 1 where it is smaller: what rounding to float32 and arithmetic on it move."""


def require_inside(values: NDArray, space: Space, name: str) -> None:
    """Check that rows of numbers lie in a space.

    NaN is let through: it has a check, and a message, of its own.

    Args:
        values: rows, ``(N, *shape of the space)``.
        space: a Box; pictures (uint8) are inside whatever they are.
        name: what the rows are and where they come from, for the message.

    Raises:
        ValueError: a number lies outside; says in which row.
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
            f"({bounds[0]:.6g} to {bounds[1]:.6g}); mend what produced it, or declare the space that is meant"
        )
