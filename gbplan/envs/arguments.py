"""Checks of environments' keyword arguments: names and types."""

from dataclasses import fields
from typing import Any, TypeVar

import numpy as np

W = TypeVar("W")


def world_of(kind: type[W], env_id: str, arguments: dict[str, Any]) -> W:
    """Make a world, a frozen dataclass, from an environment's keyword arguments.

    Raises:
        ValueError: an argument is outside its range.
        TypeError: an argument has the wrong type or an unknown name.
    """
    known = [field.name for field in fields(kind)]  # type: ignore[arg-type]  # a dataclass
    for name in arguments:
        if name not in known:
            raise TypeError(f"{env_id} has no argument {name!r} (it has {', '.join(known)}, render_mode)")
    return kind(**arguments)


def number(name: str, value: Any) -> float:
    """Return ``value`` as a number, or raise a TypeError."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | float | np.number):
        raise TypeError(f"{name} must be a number, got {value!r} of type {type(value).__name__}")
    return float(value)


def whole_number(name: str, value: Any) -> int:
    """Return ``value`` as a whole number, or raise a TypeError."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | np.integer):
        raise TypeError(f"{name} must be a whole number, got {value!r} of type {type(value).__name__}")
    return int(value)


def flag(name: str, value: Any) -> bool:
    """Return ``value`` as True or False, or raise a TypeError."""
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"{name} must be True or False, got {value!r}")
    return bool(value)
