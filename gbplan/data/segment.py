"""Episodes in a file of their own."""

import hashlib
import io
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gbplan.data.frames import Frames, Runs, as_tensor, is_goal, runs_of, to_column_dtype
from gbplan.data.trajectories import Trajectories
from gbplan.files import replacing


def write_segment(folder: Path, number: int, trajectories: Trajectories) -> tuple[str, str]:
    """Write episodes, whole and in their own types, into a file that appears only when it is complete.

    Args:
        folder: where to.
        number: the file's place among the segments of its run.
        trajectories: what to write.

    Returns:
        The file's name, which is made of its number and its hash, so that runs in one folder do not overwrite each
        other's; and its hash.
    """
    contents = {
        # A goal is stored where it changes: values and their rows.
        "observations": {
            key: [*map(as_tensor, runs_of(array))] if is_goal(key) else [as_tensor(array)]
            for key, array in trajectories.observations.items()
        },
        "infos": {key: as_tensor(array) for key, array in trajectories.infos.items()},
        "actions": as_tensor(trajectories.actions),
        "rewards": as_tensor(trajectories.rewards),
        "lengths": as_tensor(trajectories.lengths),
        "terminated": as_tensor(trajectories.terminated),
    }
    hashed = _Hash()
    torch.save(contents, hashed)
    digest = hashed.value.hexdigest()
    name = f"{number:06d}-{digest[:8]}.pt"
    with replacing(folder / name, "wb") as file:
        torch.save(contents, file)  # the same bytes
    return name, digest


class _Hash(io.BytesIO):
    """A file that is only hashed."""

    def __init__(self) -> None:
        super().__init__()
        self.value = hashlib.sha256()

    def write(self, data: Any) -> int:
        self.value.update(data)
        return memoryview(data).nbytes


def file_digest(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass(frozen=True)
class Segment:
    """Episodes in a file, which is mapped, so that they take no memory for good.

    Attributes:
        path: the file.
        digest: its SHA-256.
    """

    path: Path
    digest: str

    @cached_property
    def _contents(self) -> dict[str, Any]:
        contents: dict[str, Any] = torch.load(self.path, mmap=True, weights_only=True)
        return contents

    @cached_property
    def lengths(self) -> Tensor:
        """Steps of each episode, ``(E,)`` int64."""
        return torch.as_tensor(self._contents["lengths"]).clone()

    @cached_property
    def frames(self) -> Frames:
        """The episodes as columns to train on."""
        columns: dict[str, Tensor | Runs] = {}
        for key, (values, *rows) in self._contents["observations"].items():
            columns[key] = Runs(to_column_dtype(values), *rows) if rows else to_column_dtype(values)
        return Frames(columns, self._contents["actions"].float(), self.lengths)

    def trajectories(self) -> Trajectories:
        """The episodes as they were written."""
        stored = self._contents
        observations = {
            key: (values[rows[0]] if rows else values).numpy()
            for key, (values, *rows) in stored["observations"].items()
        }
        return Trajectories(
            observations=observations,
            infos={key: tensor.numpy() for key, tensor in stored["infos"].items()},
            actions=stored["actions"].numpy(),
            rewards=stored["rewards"].numpy(),
            lengths=stored["lengths"].numpy(),
            terminated=stored["terminated"].numpy(),
        )
