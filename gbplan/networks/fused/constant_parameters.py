"""Gradients that do not reach the parameters: what planning wants."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

_prepared: ContextVar[dict[Any, Any] | None] = ContextVar("gbplan_constant_parameters", default=None)


@contextmanager
def constant_parameters() -> Iterator[None]:
    """Promise that parameters stay as they are inside, and that nobody will ask for gradients of them.

    Autograd cannot tell: a model in training has parameters that require gradients, also while it is planned with, and
    whether their gradients are wanted is said only when the backward pass begins. A rollout made inside may take
    the parameters for constants (and be faster); gradients of its inputs are the same. Nothing changes on the model.

    What is prepared from the parameters (see ``prepared``) is kept until the outermost of nested contexts ends.
    """
    token = _prepared.set(prepared() if parameters_are_constant() else {})
    try:
        yield
    finally:
        _prepared.reset(token)


def parameters_are_constant() -> bool:
    """Tell whether the caller runs inside ``constant_parameters``."""
    return _prepared.get() is not None


def prepared() -> dict[Any, Any]:
    """What has been prepared from parameters inside ``constant_parameters``; outside of it nothing is kept.

    Keys should be objects, or hold some, rather than their ids: what is a key stays alive, and its id its own.
    """
    kept = _prepared.get()
    return {} if kept is None else kept
