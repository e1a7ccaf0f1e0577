"""Writing files in one of several training processes."""

from collections.abc import Callable
from functools import partial
from typing import Any

import lightning.pytorch as L

Once = Callable[[Callable[[], Any]], Any]
"""Runs a function that writes files in one of several processes, and returns its result in all of them."""


def alone(write: Callable[[], Any]) -> Any:
    """``Once`` for a single process, or for one that writes its own files."""
    return write()


def once_of(trainer: L.Trainer | None) -> Once:
    """Make the ``Once`` of a trainer's processes; all must call it, in the same order."""
    return alone if trainer is None or trainer.world_size == 1 else partial(_in_the_first, trainer)


def _in_the_first(trainer: L.Trainer, write: Callable[[], Any]) -> Any:
    outcome: tuple[Any, Exception | None] = (None, None)
    if trainer.is_global_zero:
        try:
            outcome = (write(), None)
        except Exception as error:  # the other processes wait, and must learn of the error
            outcome = (None, error)
    result, failure = trainer.strategy.broadcast(outcome)
    if failure is not None:
        raise failure
    return result
