"""CUDA graphs of a planner's repeated computations."""

import warnings
from collections.abc import Callable
from typing import Any
from weakref import WeakSet

import torch
from torch import Tensor, nn

Function = Callable[..., tuple[Tensor, ...]]
"""A pure function of tensors. Other tensors it reads must keep their addresses."""

Capture = Callable[..., Function]
"""Runs a function once on tensors, and returns what repeats it, without Python, on tensors of the same shapes."""


# Models whose capture failed, which are not tried again.
_uncapturable: WeakSet[nn.Module] = WeakSet()


class Graphed:
    """Calls functions plainly the first time, captures the second call, and launches the capture from then on.

    A rollout is hundreds of small kernels, and launching one takes longer than running it. A CUDA graph launches all of
    them at once. The first call warms up everything that a capture must not contain: lazy initialisation, and the
    choice of algorithms. Each shape has its own capture, and all are freed with the object. It should live no longer
    than a plan, because a capture refers to parameters by their address. Autograd does not see captured operations, so
    calls are plain while it is on.
    """

    def __init__(self, capture: Capture | None, model: object = None) -> None:
        """Begin with no captures.

        Args:
            capture: captures a function; None: always call plainly.
            model: the model that the functions call; if a capture fails, it is not tried again for this model.
        """
        self._capture = None if isinstance(model, nn.Module) and model in _uncapturable else capture
        self._model = model
        self._warm: set[Any] = set()
        self._captured: dict[Any, Function] = {}

    def __call__(self, name: str, function: Function, *given: Tensor) -> tuple[Tensor, ...]:
        """Return ``function(*given)``, in tensors that no later call overwrites; ``name`` identifies the function."""
        if self._capture is None or torch.is_grad_enabled():
            return function(*given)
        key = name, *((x.shape, x.dtype) for x in given)
        if key not in self._warm:
            self._warm.add(key)
            return function(*given)
        if key not in self._captured:
            try:
                self._captured[key] = self._capture(function, *given)
            except RuntimeError as error:  # a function that, for example, waits for the GPU works only without capture
                warnings.warn(
                    "planning launches kernel by kernel, because capturing it in a CUDA graph failed: "
                    f"{str(error).splitlines()[0]}",
                    stacklevel=2,
                )
                self._capture = None
                if isinstance(self._model, nn.Module):
                    _uncapturable.add(self._model)
                return function(*given)
        return self._captured[key](*given)


def capture_for(device: torch.device) -> Capture | None:
    """Return the function that captures calls on a device; None on a CPU."""
    return capture_cuda_graph if device.type == "cuda" else None


def capture_cuda_graph(function: Function, *given: Tensor) -> Function:
    """Capture a function in a CUDA graph.

    Args:
        function: a function that has been called on such tensors before.
        *given: tensors on a GPU.

    Returns:
        A function that launches the graph and returns copies of its results.

    Raises:
        RuntimeError: the function cannot be captured.
    """
    device, memory = given[0].device, tuple(x.clone() for x in given)
    graph = torch.cuda.CUDAGraph()
    # Not torch.cuda.graph: its stream is that of the first device it was used on, and stays current after a failure.
    torch.cuda.synchronize(device)
    with torch.cuda.device(device), torch.cuda.stream(torch.cuda.Stream(device)):
        graph.capture_begin(capture_error_mode="thread_local")
        try:
            results = function(*memory)
        finally:
            graph.capture_end()

    def launch(*given: Tensor) -> tuple[Tensor, ...]:
        for x, new in zip(memory, given, strict=True):
            x.copy_(new)
        graph.replay()
        return tuple(result.clone() for result in results)

    return launch
