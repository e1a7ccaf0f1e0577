"""Replaying on a GPU what a planner does over and over."""

import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

Function = Callable[[Tensor], tuple[Tensor, ...]]
"""Of one tensor, with a name and without side effects; what else it reads stays where it is in memory."""

Recorder = Callable[[Function, Tensor], Function]
"""Runs a function once on a tensor, and returns what repeats it, without Python, on tensors of the same shape."""


class Replay:
    """Calls functions plainly the first time, records the second call, and replays it from then on.

    A rollout is hundreds of small kernels, and launching one takes longer than running it. A CUDA graph launches all of
    them at once. The first call warms up what a recording must not contain: lazy initialisation, and the choice of
    algorithms. Each shape has a recording of its own, and all go with the object, which should live as long as a plan:
    a recording knows parameters by their place in memory.
    """

    def __init__(self, record: Recorder | None) -> None:
        """Begin with no recordings.

        Args:
            record: makes them; None: call plainly.
        """
        self._record = record
        self._warm: set[Any] = set()
        self._recorded: dict[Any, Function] = {}

    def __call__(self, function: Function, x: Tensor) -> tuple[Tensor, ...]:
        """Return ``function(x)``; the tensors belong to the caller."""
        if self._record is None:
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
                    "planning launches kernel by kernel, several times slower, because it cannot be captured in a CUDA "
                    f"graph: {str(error).splitlines()[0]}",
                    stacklevel=2,
                )
                self._record = None
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
    with torch.cuda.device(x.device), torch.cuda.graph(graph):
        results = function(given)

    def replay(x: Tensor) -> tuple[Tensor, ...]:
        given.copy_(x)
        graph.replay()
        return tuple(result.clone() for result in results)

    return replay
