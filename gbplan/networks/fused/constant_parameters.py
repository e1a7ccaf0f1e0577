"""A context for gradients that do not reach the parameters, as in planning."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from torch import nn

_prepared: ContextVar[dict[Any, Any] | None] = ContextVar("gbplan_constant_parameters", default=None)


@contextmanager
def constant_parameters(model: Any = None) -> Iterator[None]:
    """Promise that parameters do not change inside, and that their gradients are not needed.

    Autograd cannot know this: the parameters of a model in training require gradients, even during planning, and only
    the backward pass tells whether their gradients are needed. A rollout inside may treat the parameters as constants
    (and be faster); gradients of its inputs are the same.

    What is prepared from the parameters (see ``prepared``) is kept until the outermost of nested contexts ends.

    Args:
        model: a module whose parameters do not require gradients inside, so that autograd keeps only what the gradients
            of inputs need; afterwards they require them as before. It must not be trained in another thread meanwhile.
    """
    kept = prepared() if parameters_are_constant() else {}
    key = constant_parameters, model
    outermost = isinstance(model, nn.Module) and key not in kept
    required = [parameter for parameter in model.parameters() if parameter.requires_grad] if outermost else []
    token = _prepared.set(kept)
    try:
        if outermost:
            kept[key] = True
        for parameter in required:
            parameter.requires_grad_(False)
        yield
    finally:
        for parameter in required:
            parameter.requires_grad_(True)
        if outermost:
            del kept[key]
        _prepared.reset(token)


def parameters_are_constant() -> bool:
    """Return whether the caller runs inside ``constant_parameters``."""
    return _prepared.get() is not None


def prepared() -> dict[Any, Any]:
    """The cache of values prepared from parameters inside ``constant_parameters``; outside of it nothing is cached.

    Use objects, or tuples of them, as keys, not their ids: a key keeps its object alive, and so its id unique.
    """
    kept = _prepared.get()
    return {} if kept is None else kept
