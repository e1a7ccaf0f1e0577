"""Frames of many episodes as columns, one per key, each in its own type."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gbplan.data.trajectories import Trajectories

IN_MEMORY = 64 * 2**20
"""Size of columns in bytes above which they are memory-mapped from files."""


def is_goal(key: str) -> bool:
    """Whether an observation is a goal, which seldom changes within an episode."""
    return key.startswith("desired_")


def runs_of(array: NDArray) -> tuple[NDArray, NDArray[np.int64]]:
    """Store the rows of an array ``(F, ...)`` only where they change.

    Returns:
        Values ``(R, ...)`` and rows ``(F,)``, so that ``values[rows]`` is the array.
    """
    begins = np.ones(len(array), np.bool_)
    begins[1:] = (array[1:] != array[:-1]).any(axis=tuple(range(1, array.ndim)))
    return array[begins], np.cumsum(begins) - 1


def as_tensor(array: NDArray) -> Tensor:
    """Share an array with torch, or copy it if torch cannot use it directly."""
    return torch.from_numpy(np.require(array, requirements=["C", "W"]))


def to_column_dtype(values: Tensor) -> Tensor:
    """Convert observations or actions to the type used in training: uint8 stays uint8, all others float32."""
    return values if values.dtype == torch.uint8 else values.float()


@dataclass(frozen=True)
class Runs:
    """A column that is stored only where it changes; frame f has ``values[rows[f]]``.

    Attributes:
        values: ``(R, ...)``.
        rows: ``(F,)`` int64.
    """

    values: Tensor
    rows: Tensor


@dataclass(frozen=True)
class Frames:
    """Episodes laid end to end; an episode of T steps has T + 1 frames.

    F frames in all, E episodes, A action dimensions. Goals (keys ``desired_*``) are stored where they change, which is
    once an episode in most environments. Large columns are memory-mapped from files.

    Attributes:
        columns: observations by key, ``(F, ...)`` each, uint8 or float32; a goal as ``Runs``.
        actions: the action taken at each frame, ``(F, A)`` float32; zeros at the last frame of an episode.
        lengths: steps of each episode, ``(E,)`` int64; ``F == sum(lengths + 1)``.
    """

    columns: Mapping[str, Tensor | Runs]
    actions: Tensor
    lengths: Tensor

    @staticmethod
    def of(trajectories: Trajectories) -> "Frames":
        """Make frames from trajectories; arrays of the column's type are shared, not copied."""
        columns: dict[str, Tensor | Runs] = {}
        for key, array in trajectories.observations.items():
            if is_goal(key):
                values, rows = map(as_tensor, runs_of(array))
                columns[key] = Runs(to_column_dtype(values), rows)
            else:
                columns[key] = to_column_dtype(as_tensor(array))
        return Frames(columns, as_tensor(trajectories.actions).float(), as_tensor(trajectories.lengths))

    @staticmethod
    def concatenate(parts: "Sequence[Frames]") -> "Frames":
        """Copy several sets of episodes, with the same columns, into one."""
        if len(parts) == 1:
            return parts[0]
        columns: dict[str, Tensor | Runs] = {}
        for key, column in parts[0].columns.items():
            if isinstance(column, Runs):
                runs = [part.runs(key) for part in parts]
                before = np.cumsum([0, *(len(each.values) for each in runs)]).tolist()
                rows = [each.rows + first for each, first in zip(runs, before[:-1], strict=True)]
                columns[key] = Runs(torch.cat([each.values for each in runs]), torch.cat(rows))
            else:
                columns[key] = torch.cat([part.columns[key] for part in parts])  # type: ignore[misc]
        actions = torch.cat([part.actions for part in parts])
        return Frames(columns, actions, torch.cat([part.lengths for part in parts]))

    def __len__(self) -> int:
        return len(self.actions)

    @property
    def starts(self) -> Tensor:
        """First frame of each episode, ``(E,)`` int64."""
        return (self.lengths + 1).cumsum(0) - (self.lengths + 1)

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of one observation, per key."""
        return {key: tuple(_values(column).shape[1:]) for key, column in self.columns.items()}

    @property
    def dtypes(self) -> dict[str, torch.dtype]:
        """Type of each column."""
        return {key: _values(column).dtype for key, column in self.columns.items()}

    @property
    def nbytes(self) -> int:
        """Bytes of all columns."""
        rows = [column.rows for column in self.columns.values() if isinstance(column, Runs)]
        tensors = [*map(_values, self.columns.values()), *rows, self.actions, self.lengths]
        return sum(tensor.nbytes for tensor in tensors)

    def rows_within(self, nbytes: int, keys: Sequence[str], at_most: int) -> int:
        """Count the frames of these columns that fit into so many bytes: at least 1, and no more than ``at_most``."""
        each = sum(_values(self.columns[key])[:1].nbytes for key in keys)
        return max(1, min(at_most, nbytes // max(each, 1)))

    def runs(self, key: str) -> Runs:
        """Return a column stored in runs."""
        column = self.columns[key]
        assert isinstance(column, Runs)
        return column

    def take(self, key: str, rows: Tensor) -> Tensor:
        """Copy the observations of the given frames ``(N,)``, as ``(N, ...)``."""
        column = self.columns[key]
        if isinstance(column, Runs):
            return column.values.index_select(0, column.rows.index_select(0, rows))
        return column.index_select(0, rows)

    def since(self, episode: int) -> "Frames":
        """Return the episodes from a given one on, without a copy."""
        if episode == 0:
            return self
        first = int((self.lengths[:episode] + 1).sum())
        columns = {
            key: Runs(each.values, each.rows[first:]) if isinstance(each, Runs) else each[first:]
            for key, each in self.columns.items()
        }
        return Frames(columns, self.actions[first:], self.lengths[episode:])

    def rows_of(self, episodes: Tensor) -> Tensor:
        """Return the indices of all frames of the given episodes ``(N,)``, in that order."""
        counts = self.lengths[episodes] + 1
        nth = torch.arange(int(counts.sum())) - (counts.cumsum(0) - counts).repeat_interleave(counts)
        return self.starts[episodes].repeat_interleave(counts) + nth

    def with_column(self, key: str, column: Tensor) -> "Frames":
        """Return the same frames with one more column."""
        return replace(self, columns={**self.columns, key: column})


def _values(column: Tensor | Runs) -> Tensor:
    return column.values if isinstance(column, Runs) else column
