"""Windows of consecutive frames, cut out of episodes in batches."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset, default_collate

from gbplan.data.frames import IN_MEMORY, Frames, Runs
from gbplan.data.latents import LATENTS

Batch = dict[str, Any]
"""``{"observations": {key: (B, T + 1, ...)}, "actions": (B, T, A')}``, float32 but for uint8 pictures."""


def window_starts(lengths: Tensor, steps: int, stride: int = 1, firsts: Tensor | None = None) -> Tensor:
    """Find the first frames of all windows of ``steps`` steps that lie within one episode.

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
    """Number of windows of ``steps`` steps in each episode, ``(E,)`` int64; see ``window_starts``."""
    return torch.where(lengths >= steps, (lengths - steps) // stride + 1, 0)


@dataclass(frozen=True)
class Windows:
    """Windows of some frames: where they begin and where their episodes end.

    Attributes:
        frames: the frames.
        starts: first frame of each window, ``(W,)`` int64.
        ends: last frame of each window's episode, ``(W,)`` int64; a window that reaches beyond it repeats that frame.
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
            frames: the frames.
            steps: environment steps in a window.
            stride: steps from one window of an episode to its next.
            episodes: which episodes, in this order, ``(N,)`` int64; None: all.
            hold_steps: steps added to the end of every episode, its last frame with zero actions.
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


def merge_small(sources: Sequence[Windows]) -> list[Windows]:
    """Copy small sources into one, from which a batch takes a third of the time; large ones stay separate."""
    frames = [source.frames for source in sources]
    kinds = {source.ends is not None for source in sources}
    if len(sources) == 1 or len(kinds) > 1 or sum(each.nbytes for each in frames) > IN_MEMORY:
        return list(sources)
    before = torch.tensor([0, *map(len, frames)]).cumsum(0).tolist()
    starts = [source.starts + first for source, first in zip(sources, before, strict=False)]
    ends = [source.ends + first for source, first in zip(sources, before, strict=False) if source.ends is not None]
    return [Windows(Frames.concatenate(frames), torch.cat(starts), torch.cat(ends) if ends else None)]


class WindowDataset(Dataset[Batch]):
    """Dataset of windows from several sources, indexed one source after the other and fetched in batches.

    A window of T model steps that begins at frame f has the observations of frames f, f + n, ..., f + nT, and the
    actions of the nT environment steps between them, n side by side in each of its T rows.
    """

    def __init__(self, sources: Sequence[Windows], keys: Sequence[str], steps: int, action_block: int = 1) -> None:
        """Choose the sources and the shape of windows.

        Args:
            sources: where windows of ``action_block * steps`` environment steps begin.
            keys: observations to return; ``"latents"`` is returned beside them.
            steps: T, model steps in a window.
            action_block: n, environment steps in a model step.
        """
        self._sources = [_Source(windows, keys, steps, action_block) for windows in sources]
        self._keys = list(keys)
        self._ends = torch.tensor([len(windows) for windows in sources]).cumsum(0)

    def __len__(self) -> int:
        return int(self._ends[-1])

    def __getitems__(self, indices: Tensor | Sequence[int]) -> Batch:
        """Return the windows of these indices as one batch."""
        indices = torch.as_tensor(indices)
        *observed, actions = self._together(indices) if len(self._sources) > 1 else self._sources[0].cut(indices)
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

    def _together(self, indices: Tensor) -> list[Tensor]:
        """Cut windows out of all sources, in the batch's order."""
        source_of = torch.bucketize(indices, self._ends, right=True)
        order = source_of.argsort()
        counts = source_of.bincount(minlength=len(self._sources)).tolist()
        together: list[Tensor] = []
        for source, places, end in zip(self._sources, order.split(counts), self._ends.tolist(), strict=True):
            if len(places) == 0:
                continue
            parts = source.cut(indices.index_select(0, places) - (end - len(source)))
            together = together or [part.new_empty(len(indices), *part.shape[1:]) for part in parts]
            for whole, part in zip(together, parts, strict=True):
                whole.index_copy_(0, places, part)
        return together


class _Source:
    """Cuts windows out of one set of frames: each key's observations, then the actions."""

    def __init__(self, windows: Windows, keys: Sequence[str], steps: int, block: int) -> None:
        frames = windows.frames
        self._starts, self._ends = windows.starts, windows.ends
        self._columns = [*(frames.columns[key] for key in keys), frames.actions]
        stored = [column.rows if isinstance(column, Runs) else column for column in self._columns]
        self._counts = [steps + 1] * len(keys) + [steps * block]
        self._strides = [block] * len(keys) + [1]
        self._views = [
            _stretches(each, count, stride)
            for each, count, stride in zip(stored, self._counts, self._strides, strict=True)
        ]
        self._action_shape = (steps, block * frames.actions.shape[1])

    def __len__(self) -> int:
        return len(self._starts)

    def cut(self, indices: Tensor) -> list[Tensor]:
        """Copy the windows of these indices, ``(B, ...)`` each."""
        starts = self._starts.index_select(0, indices)
        if self._ends is None:
            found = [view.index_select(0, starts) for view in self._views]
        else:
            found = self._repeating(starts, self._ends.index_select(0, indices))
        for i, column in enumerate(self._columns):
            if isinstance(column, Runs):
                found[i] = column.values.index_select(0, found[i].flatten()).unflatten(0, found[i].shape)
        found[-1] = found[-1].view(len(starts), *self._action_shape)
        return found

    def _repeating(self, starts: Tensor, ends: Tensor) -> list[Tensor]:
        """Cut windows that repeat the last frame ``ends`` where they reach beyond it."""
        found = []
        for column, count, stride in zip(self._columns, self._counts, self._strides, strict=True):
            rows = torch.minimum(starts[:, None] + stride * torch.arange(count), ends[:, None])
            stored = column.rows if isinstance(column, Runs) else column
            found.append(stored.index_select(0, rows.flatten()).unflatten(0, rows.shape))
        return found


def _stretches(column: Tensor, count: int, stride: int) -> Tensor:
    """View a column ``(F, ...)`` as ``(F', count, ...)``, at f its rows f, f + stride, ...: a batch is one copy.

    Its entries share memory; do not write to the view.
    """
    within = max(len(column) - (count - 1) * stride, 0)
    step = column.stride(0)
    return column.as_strided(
        (within, count, *column.shape[1:]), (step, stride * step, *column.stride()[1:]), column.storage_offset()
    )


def collate_windows(batch: Any) -> Any:
    """Return the batch that a ``WindowDataset`` has made; the ``collate_fn`` of its loaders.

    Args:
        batch: a batch; or a list of windows, from a dataset that returns one at a time.
    """
    return default_collate(batch) if isinstance(batch, list) else batch
