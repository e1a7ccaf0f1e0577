"""Replaying on a GPU what a planner does over and over."""

import warnings
from collections.abc import Callable
from typing import Any
from weakref import WeakSet

import torch
from torch import Tensor, nn

Function = Callable[[Tensor], tuple[Tensor, ...]]
"""Of one tensor, with a name and without side effects; what else it reads stays where it is in memory."""

Recorder = Callable[[Function, Tensor], Function]
"""Runs a function once on a tensor, and returns what repeats it, without Python, on tensors of the same shape."""


# What could not be recorded once is not tried again.
_unrecordable: WeakSet[nn.Module] = WeakSet()


class Replay:
    """Calls functions plainly the first time, records the second call, and replays it from then on.

    A rollout is hundreds of small kernels, and launching one takes longer than running it. A CUDA graph launches all of
    them at once. The first call warms up what a recording must not contain: lazy initialisation, and the choice of
    algorithms. Each shape has a recording of its own, and all go with the object, which should live as long as a plan:
    a recording knows parameters by their place in memory. Autograd does not see what is replayed, so while it is on,
    calls are plain.
    """

    def __init__(self, record: Recorder | None, model: object = None) -> None:
        """Begin with no recordings.

        Args:
            record: makes them; None: call plainly.
            model: what the functions call; if recording fails, it is not tried again for this model.
        """
        self._record = None if isinstance(model, nn.Module) and model in _unrecordable else record
        self._model = model
        self._warm: set[Any] = set()
        self._recorded: dict[Any, Function] = {}

    def __call__(self, function: Function, x: Tensor) -> tuple[Tensor, ...]:
        """Return ``function(x)``; the tensors belong to the caller."""
        if self._record is None or torch.is_grad_enabled():
            return function(x)
        key = function.__name__, x.shape, x.dtype
        if key not in self._warm:
            self._warm.add(key)
            return function(x)
        if key not in self._recorded:
            try:
                self._recorded[key] = self._record(function, x)
            except RuntimeError as error:  # it waits for the GPU, copies to the CPU, ...: it works without a recording
                warnings.warn(
                    "planning launches kernel by kernel, because capturing it in a CUDA graph failed: "
                    f"{str(error).splitlines()[0]}",
                    stacklevel=2,
                )
                self._record = None
                if isinstance(self._model, nn.Module):
                    _unrecordable.add(self._model)
                return function(x)
        return self._recorded[key](x)


def recorder_for(device: torch.device) -> Recorder | None:
    """Return how calls are recorded on a device; None where they are not."""
    return record_cuda_graph if device.type == "cuda" else None


def record_cuda_graph(function: Function, x: Tensor) -> Function:
    """Capture a function in a CUDA graph.

    Args:
        function: has been called on such a tensor before.
        x: on a GPU.

    Returns:
        The replay, whose results are copies.

    Raises:
        RuntimeError: it does what cannot be captured.
    """
    given = x.clone()
    graph = torch.cuda.CUDAGraph()
    # Not torch.cuda.graph: its stream is that of the first device it was used on, and stays current after a failure.
    torch.cuda.synchronize(x.device)
    with torch.cuda.device(x.device), torch.cuda.stream(torch.cuda.Stream(x.device)):
        graph.capture_begin(capture_error_mode="thread_local")
        try:
            results = function(given)
        finally:
            graph.capture_end()

    def replay(x: Tensor) -> tuple[Tensor, ...]:
        given.copy_(x)
        graph.replay()
        return tuple(result.clone() for result in results)

    return replay
