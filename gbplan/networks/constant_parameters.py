"""Gradients that do not reach the parameters: what planning wants."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_constant: ContextVar[bool] = ContextVar("gbplan_constant_parameters", default=False)


@contextmanager
def constant_parameters() -> Iterator[None]:
    """Promise that nobody will ask for gradients of parameters through what is computed inside.

    Autograd cannot tell: a model in training has parameters that require gradients, also while it is planned with, and
    whether their gradients are wanted is said only when the backward pass begins. A rollout made inside may take
    the parameters for constants (and be faster); gradients of its inputs are the same. Nothing changes on the model, so
    another thread may train it meanwhile.
    """
    token = _constant.set(True)
    try:
        yield
    finally:
        _constant.reset(token)


def parameters_are_constant() -> bool:
    """Tell whether the caller runs inside ``constant_parameters``."""
    return _constant.get()
