"""Stretches of frames, cut out of episodes by the batch."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset

from gbplan.data.frames import Frames, Runs

Batch = dict[str, Any]
"""``{"observations": {key: (B, T + 1, ...)}, "actions": (B, T, A')}``, float32 but for uint8 pictures."""

LATENTS = "latents"
"""Column of the encoder's output, which stands beside a batch's observations, not among them."""


def window_starts(lengths: Tensor, steps: int, stride: int = 1, firsts: Tensor | None = None) -> Tensor:
    """First frames of all windows of ``steps`` steps that lie within one episode.

    Args:
        lengths: steps of episodes, ``(E,)`` int64; an episode of T steps has T + 1 frames.
        steps: steps in a window.
        stride: steps from one window of an episode to its next.
        firsts: first frame of each episode, ``(E,)``; None: the episodes lie end to end.

    Returns:
        Frame indices, episode by episode and ascending within each, ``(W,)`` int64.
    """
    counts = window_counts(lengths, steps, stride)
    if firsts is None:
        firsts = (lengths + 1).cumsum(0) - (lengths + 1)
    nth = torch.arange(int(counts.sum())) - (counts.cumsum(0) - counts).repeat_interleave(counts)
    return firsts.repeat_interleave(counts) + stride * nth


def window_counts(lengths: Tensor, steps: int, stride: int = 1) -> Tensor:
    """How many windows of ``steps`` steps each episode has, ``(E,)`` int64; see ``window_starts``."""
    return torch.where(lengths >= steps, (lengths - steps) // stride + 1, 0)


@dataclass(frozen=True)
class Windows:
    """Where windows begin.

    Attributes:
        frames: what they are cut out of.
        starts: first frame of each window, ``(W,)`` int64.
        ends: last frame of each window's episode, ``(W,)``: where a window reaches beyond it, that frame is repeated.
            None: no window does.
    """

    frames: Frames
    starts: Tensor
    ends: Tensor | None = None

    @staticmethod
    def of(
        frames: Frames, steps: int, stride: int = 1, episodes: Tensor | None = None, hold_steps: int = 0
    ) -> "Windows":
        """Find the windows of some episodes.

        Args:
            frames: what to cut.
            steps: environment steps in a window.
            stride: steps from one window of an episode to its next.
            episodes: which episodes, in this order, ``(N,)`` int64; None: all.
            hold_steps: steps by which every episode goes on in its last frame, with zero actions.
        """
        lengths, firsts = frames.lengths, frames.starts
        if episodes is not None:
            lengths, firsts = lengths[episodes], firsts[episodes]
        starts = window_starts(lengths + hold_steps, steps, stride, firsts)
        if not hold_steps:
            return Windows(frames, starts)
        counts = window_counts(lengths + hold_steps, steps, stride)
        return Windows(frames, starts, (firsts + lengths).repeat_interleave(counts))

    def __len__(self) -> int:
        return len(self.starts)


class WindowDataset(Dataset[Batch]):
    """Windows of several sources, one source after the other, delivered by the batch.

    A window of T model steps that begins at frame f has the observations of frames f, f + n, ..., f + nT, and the
    actions of the nT environment steps between them, n side by side in each of its T rows.
    """

    def __init__(self, sources: Sequence[Windows], keys: Sequence[str], steps: int, action_block: int = 1) -> None:
        """Look at frames through windows.

        Args:
            sources: where windows of ``action_block * steps`` environment steps begin.
            keys: observations to deliver; ``"latents"`` is delivered beside them.
            steps: T, model steps in a window.
            action_block: n, environment steps in a model step.
        """
        self._sources = list(sources)
        self._keys = list(keys)
        self._steps = steps
        self._block = action_block
        self._ends = torch.tensor([len(source) for source in sources]).cumsum(0)

    def __len__(self) -> int:
        return int(self._ends[-1])

    def __getitems__(self, indices: Tensor | Sequence[int]) -> Batch:
        """Return the windows of these indices as one batch."""
        indices = torch.as_tensor(indices)
        *observed, actions = self._together(indices) if len(self._sources) > 1 else self._cut(self._sources[0], indices)
        observations = dict(zip(self._keys, observed, strict=True))
        batch: Batch = {"observations": observations, "actions": actions}
        if LATENTS in observations:
            batch[LATENTS] = observations.pop(LATENTS).float()
        return batch

    def __getitem__(self, index: int) -> Batch:
        """Return one window, without a batch axis."""
        batch = self.__getitems__([index])
        whole = {key: value[0] for key, value in batch.pop("observations").items()}
        return {"observations": whole, **{key: value[0] for key, value in batch.items()}}

    def _cut(self, source: Windows, indices: Tensor) -> list[Tensor]:
        """Cut windows out of one source: each key's observations, then the actions."""
        frames, steps, block = source.frames, self._steps, self._block
        starts = source.starts.index_select(0, indices)
        ends = None if source.ends is None else source.ends.index_select(0, indices)
        found = []
        for key in self._keys:
            column = frames.columns[key]
            if isinstance(column, Runs):
                rows = _stretches(column.rows, starts, ends, steps + 1, block)
                found.append(column.values.index_select(0, rows.flatten()).unflatten(0, rows.shape))
            else:
                found.append(_stretches(column, starts, ends, steps + 1, block))
        actions = _stretches(frames.actions, starts, ends, block * steps)
        found.append(actions.view(len(indices), steps, -1))
        return found

    def _together(self, indices: Tensor) -> list[Tensor]:
        """Cut windows out of all sources, each into its place in the batch."""
        source_of = torch.bucketize(indices, self._ends, right=True)
        order = source_of.argsort()
        counts = source_of.bincount(minlength=len(self._sources)).tolist()
        together: list[Tensor] = []
        for source, places, end in zip(self._sources, order.split(counts), self._ends.tolist(), strict=True):
            if len(places) == 0:
                continue
            parts = self._cut(source, indices.index_select(0, places) - (end - len(source)))
            together = together or [part.new_empty(len(indices), *part.shape[1:]) for part in parts]
            for whole, part in zip(together, parts, strict=True):
                whole.index_copy_(0, places, part)
        return together


def _stretches(column: Tensor, starts: Tensor, ends: Tensor | None, count: int, stride: int = 1) -> Tensor:
    """Copy rows start, start + stride, ... of a column ``(F, ...)`` as ``(B, count, ...)``; none beyond its end."""
    shape = column.shape[1:]
    if stride == 1 and ends is None:
        # Row f of this view is the stretch from frame f on: neighbours in memory, so that a batch is one index_select.
        # The rows overlap; nothing may be written through them.
        width = prod(shape)
        stretches = column.as_strided((max(len(column) - count + 1, 0), count * width), (width, 1))
        return stretches.index_select(0, starts).view(len(starts), count, *shape)
    rows = starts[:, None] + stride * torch.arange(count)
    if ends is not None:
        rows = torch.minimum(rows, ends[:, None])
    return column.index_select(0, rows.flatten()).view(len(starts), count, *shape)


def deliver(batch: Any) -> Any:
    """Collate nothing: ``__getitems__`` has made the batch. A function, since workers must be able to pickle it."""
    return batch
