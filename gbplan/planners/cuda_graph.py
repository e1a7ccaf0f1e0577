"""Replaying on a GPU what a planner does over and over."""

import warnings
from collections.abc import Callable
from typing import Any
from weakref import WeakSet

import torch
from torch import Tensor, nn

Function = Callable[..., tuple[Tensor, ...]]
"""Of tensors, with a name and without side effects; what else it reads stays where it is in memory."""

Recorder = Callable[..., Function]
"""Runs a function once on tensors, and returns what repeats it, without Python, on tensors of the same shapes."""


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

    def __call__(self, function: Function, *given: Tensor) -> tuple[Tensor, ...]:
        """Return ``function(*given)``; the tensors belong to the caller."""
        if self._record is None or torch.is_grad_enabled():
            return function(*given)
        key = function.__name__, *((x.shape, x.dtype) for x in given)
        if key not in self._warm:
            self._warm.add(key)
            return function(*given)
        if key not in self._recorded:
            try:
                self._recorded[key] = self._record(function, *given)
            except RuntimeError as error:  # it waits for the GPU, copies to the CPU, ...: it works without a recording
                warnings.warn(
                    "planning launches kernel by kernel, because capturing it in a CUDA graph failed: "
                    f"{str(error).splitlines()[0]}",
                    stacklevel=2,
                )
                self._record = None
                if isinstance(self._model, nn.Module):
                    _unrecordable.add(self._model)
                return function(*given)
        return self._recorded[key](*given)


def recorder_for(device: torch.device) -> Recorder | None:
    """Return how calls are recorded on a device; None where they are not."""
    return record_cuda_graph if device.type == "cuda" else None


def record_cuda_graph(function: Function, *given: Tensor) -> Function:
    """Capture a function in a CUDA graph.

    Args:
        function: has been called on such tensors before.
        *given: on a GPU.

    Returns:
        The replay, whose results are copies.

    Raises:
        RuntimeError: it does what cannot be captured.
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

    def replay(*given: Tensor) -> tuple[Tensor, ...]:
        for x, new in zip(memory, given, strict=True):
            x.copy_(new)
        graph.replay()
        return tuple(result.clone() for result in results)

    return replay
