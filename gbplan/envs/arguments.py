"""Keyword arguments of environments: what is said of those that do not exist or are of the wrong type."""

from dataclasses import fields
from typing import Any, TypeVar

import numpy as np

W = TypeVar("W")


def world_of(kind: type[W], env_id: str, arguments: dict[str, Any]) -> W:
    """Make a world, a frozen dataclass, from an environment's keyword arguments.

    Raises:
        ValueError: an argument is outside its range.
        TypeError: an argument is of the wrong type, or there is none of this name.
    """
    known = [field.name for field in fields(kind)]  # type: ignore[arg-type]  # a dataclass
    for name in arguments:
        if name not in known:
            raise TypeError(f"{env_id} has no argument {name!r} (it has {', '.join(known)}, render_mode)")
    return kind(**arguments)


def number(name: str, value: Any) -> float:
    """Return a number, or say that ``value`` is none."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | float | np.number):
        raise TypeError(f"{name} must be a number, got {value!r} of type {type(value).__name__}")
    return float(value)


def whole_number(name: str, value: Any) -> int:
    """Return a whole number, or say that ``value`` is none."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | np.integer):
        raise TypeError(f"{name} must be a whole number, got {value!r} of type {type(value).__name__}")
    return int(value)


def flag(name: str, value: Any) -> bool:
    """Return True or False, or say that ``value`` is neither."""
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"{name} must be True or False, got {value!r}")
    return bool(value)
