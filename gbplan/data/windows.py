"""Stretches of consecutive frames, cut out of episodes by the batch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset

Batch = dict[str, Any]
"""``{"observations": {key: (B, steps + 1, ...)}, "actions": (B, steps, A)}``, float32."""


@dataclass(frozen=True)
class FrameLayout:
    """Which columns of a packed frame hold what: the observations in order, then the action.

    A batch of windows is then one copy of one tensor, where separate arrays would need a gather each.

    Attributes:
        observation_shapes: shape of one frame of each observation.
        action_dim: A.
    """

    observation_shapes: dict[str, tuple[int, ...]]
    action_dim: int

    @cached_property
    def sizes(self) -> list[int]:
        """Columns of each observation, then of the action."""
        return [*map(prod, self.observation_shapes.values()), self.action_dim]

    @property
    def width(self) -> int:
        """Numbers in a frame."""
        return sum(self.sizes)

    def pack(self, observations: Mapping[str, Any], actions: Any) -> Tensor:
        """Join observations ``(F, ...)`` and actions ``(F, A)`` into frames ``(F, width)``, float32."""
        parts = [torch.as_tensor(observations[key], dtype=torch.float32) for key in self.observation_shapes]
        parts.append(torch.as_tensor(actions, dtype=torch.float32))
        return torch.cat([part.flatten(1) for part in parts], dim=1)

    def unpack(self, frames: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        """Split frames ``(..., width)`` into observations ``(..., *shape)`` and actions ``(..., A)``, as views."""
        *parts, actions = frames.split(self.sizes, dim=-1)
        shapes = self.observation_shapes.items()
        return {
            key: part if len(shape) == 1 else part.unflatten(-1, shape)
            for (key, shape), part in zip(shapes, parts, strict=True)
        }, actions


def window_starts(lengths: Tensor, steps: int, stride: int = 1) -> Tensor:
    """First frames of all windows of ``steps`` steps that lie within one episode.

    Args:
        lengths: steps of episodes laid end to end, ``(E,)`` int64; an episode of T steps has T + 1 frames.
        steps: steps in a window.
        stride: steps from one window of an episode to its next.

    Returns:
        Frame indices in ascending order, ``(W,)`` int64.
    """
    counts = torch.where(lengths >= steps, (lengths - steps) // stride + 1, 0)
    firsts = (lengths + 1).cumsum(0) - (lengths + 1)
    nth = torch.arange(int(counts.sum())) - (counts.cumsum(0) - counts).repeat_interleave(counts)
    return firsts.repeat_interleave(counts) + stride * nth


class WindowDataset(Dataset[Batch]):
    """Windows of ``steps + 1`` frames, delivered by the batch."""

    def __init__(self, frames: Tensor, starts: Tensor, steps: int, layout: FrameLayout) -> None:
        """Look at frames through windows.

        Args:
            frames: packed by ``layout``, ``(F, width)``, contiguous.
            starts: first frame of each window, ``(W,)`` int64; ``starts + steps`` lie below F.
            steps: steps in a window.
            layout: what the columns are.
        """
        width = frames.shape[1]
        self._starts = starts
        self._layout = layout
        self._shape = (steps + 1, width)
        # Row f is the window that starts at frame f: frames f..f + steps are neighbours in memory, so a window is one
        # contiguous stretch, and a batch one index_select. The rows overlap; nothing may be written through them.
        self._windows = frames.contiguous().as_strided((max(len(frames) - steps, 0), (steps + 1) * width), (width, 1))

    def __len__(self) -> int:
        return len(self._starts)

    def __getitems__(self, indices: Tensor | Sequence[int]) -> Batch:
        """Return the windows of these indices as one batch."""
        starts = self._starts[torch.as_tensor(indices)]
        observations, actions = self._layout.unpack(self._windows.index_select(0, starts).unflatten(1, self._shape))
        return {"observations": observations, "actions": actions[:, :-1]}

    def __getitem__(self, index: int) -> Batch:
        """Return one window, without a batch axis."""
        batch = self.__getitems__([index])
        return {
            "observations": {key: value[0] for key, value in batch["observations"].items()},
            "actions": batch["actions"][0],
        }


def deliver(batch: Any) -> Any:
    """Collate nothing: ``__getitems__`` has made the batch. A function, since workers must be able to pickle it."""
    return batch
