"""Checks of settings, passed by name: ``checks.positive(lr=lr)``.

Each raises a ValueError with the name of the setting, the values allowed, and its value. All refuse NaN; all that check
a number also refuse infinity, and numbers that are infinite in single precision.
"""

import os
from collections.abc import Callable, Mapping
from itertools import pairwise
from numbers import Integral, Real
from typing import Any, get_args

MOST = 2**31
"""Upper limit of counts: larger ones overflow where they are used, or take for ever."""


def at_least_one(**counts: float) -> None:
    """Require counts, or factors, of 1 or more."""
    _require("at least 1", lambda count: count >= 1, counts)
    _require("below 2^31", lambda count: count < MOST, counts)


def count(**counts: int) -> None:
    """Require counts that may be 0."""
    not_negative(**counts)
    _require("below 2^31", lambda count: count < MOST, counts)


def flag(**flags: bool) -> None:
    """Require true or false; yaml parsers accept null, which would mean false."""
    for name, value in flags.items():
        if not isinstance(value, bool):
            raise ValueError(f"{name} must be true or false, got {value}")


def seed(**seeds: int) -> None:
    """Require a seed that generators accept."""
    for name, value in seeds.items():
        if not (isinstance(value, Integral) and 0 <= value < 2**63):
            raise ValueError(f"{name} must be in 0..2^63 - 1, got {value}")


def positive(**values: float) -> None:
    """Require values above 0."""
    _require("positive and finite", lambda value: value > 0, values)


def not_negative(**values: float) -> None:
    """Require values of 0 or more."""
    _require("finite and not negative", lambda value: value >= 0, values)


def share(*, below_one: bool = False, **values: float) -> None:
    """Require values in 0..1; with ``below_one``, 1 itself is refused."""
    limits = "lie in 0..1, 1 excluded" if below_one else "lie in 0..1"
    for name, value in values.items():
        if not (isinstance(value, Real) and 0 <= value <= 1) or (below_one and value == 1):
            raise ValueError(f"{name} must {limits}, got {value}")


def thread_count(**counts: int | None) -> None:
    """Require no more threads than this machine has cores; None leaves the number to torch.

    A million threads would end the process without an error.
    """
    cores = os.cpu_count() or 1
    for name, value in counts.items():
        if value is not None and not 1 <= value <= cores:
            raise ValueError(f"{name} must lie in 1..{cores}, the cores of this machine, got {value}")


def ascending(**values: float) -> None:
    """Require that no value exceeds the next: ``ascending(num_elites=30, num_samples=300)``."""
    for (name, value), (next_name, limit) in pairwise(values.items()):
        if not value <= limit:
            raise ValueError(f"{name} must not exceed {next_name}, got {value} > {limit}")


def one_of(choices: object, **given: object) -> None:
    """Require one of the values of a ``Literal``: ``one_of(Bounds, bounds=bounds)``."""
    for name, choice in given.items():
        if choice not in get_args(choices):
            raise ValueError(f"{name} must be one of {list(get_args(choices))}, got {choice!r}")


def kind_of(base: type[Any], **given: object) -> None:
    """Require an instance of a class: ``kind_of(Noise, noise=noise)``."""
    for name, value in given.items():
        if not isinstance(value, base):
            known = ", ".join(sorted(kind.__name__ for kind in base.__subclasses__()))
            raise TypeError(f"{name} must be an object of a {base.__name__} class ({known}), got {value!r}")


_INFINITE = 2.0**128  # in single precision, which plans use


def _require(what: str, holds: Callable[[float], bool], values: Mapping[str, float]) -> None:
    for name, value in values.items():
        if not (isinstance(value, Real) and holds(value) and abs(value) < _INFINITE):
            raise ValueError(f"{name} must be {what}, got {value}")
