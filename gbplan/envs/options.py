"""Checks of the options of ``reset``."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def check_options(options: dict[str, Any] | None, known: tuple[str, ...]) -> dict[str, Any]:
    """Return the options that are not None, or raise an error about an unknown one."""
    options = {} if options is None else options
    for key in options:
        if key not in known:
            raise ValueError(f"reset options are {', '.join(map(repr, known))}, got {key!r}")
    return {key: value for key, value in options.items() if value is not None}


def chosen_rows(
    name: str, values: Any, sizes: tuple[int, ...], mask: NDArray[np.bool_] | None
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return an option's rows.

    Args:
        name: name of the option, for messages.
        values: the caller's values: ``(D,)`` or, given a mask, also ``(N, D)``, with D one of ``sizes``.
        sizes: allowed sizes of a row.
        mask: rows to return, ``(N,)``; None: there is one row, without the leading axis.

    Returns:
        The chosen rows, ``(M, D)``, and their indices, ``(M,)``.

    Raises:
        ValueError: wrong shape, or not finite.
    """
    shapes = [(size,) for size in sizes] + ([] if mask is None else [(len(mask), size) for size in sizes])
    expected = f"options[{name!r}] must be finite numbers of shape {' or '.join(map(str, shapes))}"
    try:
        array = np.asarray(values, np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"{expected}, got {values!r}") from None
    if array.shape not in shapes:
        raise ValueError(f"{expected}, got shape {array.shape}")
    mask = np.ones(1, np.bool_) if mask is None else mask
    rows = np.flatnonzero(mask)
    array = np.broadcast_to(array, (len(mask), array.shape[-1]))[rows]
    require_rows(np.isfinite(array).all(axis=1), name, array, rows, "give finite numbers")
    return array, rows


def require_rows(
    holds: NDArray[np.bool_] | np.bool_, name: str, values: NDArray[np.float64], rows: NDArray[np.int64], remedy: str
) -> None:
    """Raise a ValueError about the first chosen row of ``values`` that breaks a condition.

    Args:
        holds: whether the condition holds, for each row or for all, ``(M,)`` or ``()``.
        name: name of the option.
        values: as `chosen_rows` returned them.
        rows: likewise.
        remedy: advice for the message, such as "keep within the world".
    """
    if not holds.all():
        first = int(np.argmin(holds))
        where = f" in row {rows[first]}" if len(rows) > 1 else ""
        raise ValueError(f"options[{name!r}] is {values[first].tolist()}{where}; {remedy}")
