"""A segment: a file of episodes."""

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
from gbplan.untrusted import require_form


def write_segment(folder: Path, number: int, trajectories: Trajectories) -> tuple[str, str]:
    """Write episodes, whole and in their own types, into a file that appears only when it is complete.

    Args:
        folder: the folder to write into.
        number: the file's place among the segments of its run.
        trajectories: the episodes.

    Returns:
        The file's name, made of its number and hash, so that runs in one folder do not overwrite each other's files;
        and its hash.
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
    """A file object that hashes its input and writes nothing."""

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


_FORM = {
    "observations": {str: [Tensor]},
    "infos": {str: Tensor},
    "actions": Tensor,
    "rewards": Tensor,
    "lengths": Tensor,
    "terminated": Tensor,
}


@dataclass(frozen=True)
class Segment:
    """Episodes in a memory-mapped file.

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

    def require_whole(self) -> None:
        """Check that the file contains episodes as ``write_segment`` writes them; files may come from anybody.

        Raises:
            ValueError: the file has other contents.
        """
        try:
            stored = self._contents
        except Exception as error:  # errors of zip, pickle or torch, which have no common class
            raise ValueError(f"it is not a file of plain tensors ({type(error).__name__})") from None
        require_form(stored, _FORM, "it")
        if extra := stored.keys() - _FORM.keys():
            raise ValueError(f"it has the unknown entries {', '.join(sorted(map(str, extra)))}")
        columns = {"actions": stored["actions"], "rewards": stored["rewards"], **stored["infos"]}
        seen: dict[str, Tensor] = {}
        rows: dict[str, Tensor] = {}
        for key, parts in stored["observations"].items():
            if len(parts) != 1 + is_goal(key):
                raise ValueError(f"observations: {key} must be {'values and rows' if is_goal(key) else 'one tensor'}")
            seen[key] = parts[0]
            rows |= {f"rows of {key}": part for part in parts[1:]}
        of_episodes = {"lengths": stored["lengths"], "terminated": stored["terminated"]}
        for name, tensor in [*columns.items(), *seen.items(), *rows.items(), *of_episodes.items()]:
            if tensor.layout != torch.strided or not (tensor.is_cpu and tensor.is_contiguous() and tensor.ndim):
                raise ValueError(f"{name} must lie in memory frame by frame or episode by episode")
            if tensor.is_complex():
                raise ValueError(f"{name} must be real numbers, got {tensor.dtype}")
        _require_vectors({"lengths": stored["lengths"], **rows}, torch.int64)
        _require_vectors({"terminated": stored["terminated"]}, torch.bool)
        _require_vectors({"rewards": stored["rewards"]})
        frames, lengths = len(stored["actions"]), stored["lengths"].tolist()
        if not lengths or min(lengths) < 1 or sum(lengths) + len(lengths) != frames:
            raise ValueError(f"lengths must be at least 1, and lengths + 1 must add up to {frames} frames")
        if len(stored["terminated"]) != len(lengths):
            raise ValueError(f"terminated must have {len(lengths)} episodes, got {len(stored['terminated'])}")
        for name, tensor in {**columns, **{key: rows.get(f"rows of {key}", seen[key]) for key in seen}}.items():
            if len(tensor) != frames:
                raise ValueError(f"{name} must have {frames} frames, got {len(tensor)}")
        for name, index in rows.items():
            if not 0 <= int(index.min()) <= int(index.max()) < len(seen[name.removeprefix("rows of ")]):
                raise ValueError(f"{name} must be indices of its values")
        for name, tensor in {**seen, "actions": stored["actions"]}.items():
            if tensor.dtype == torch.bool or not bool(tensor.isfinite().all()):
                raise ValueError(f"{name} must be finite numbers")

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


def _require_vectors(tensors: dict[str, Tensor], dtype: torch.dtype | None = None) -> None:
    for name, tensor in tensors.items():
        if tensor.ndim != 1 or tensor.dtype != (dtype or tensor.dtype):
            raise ValueError(
                f"{name} must be a vector of {dtype or 'numbers'}, got {tuple(tensor.shape)} of {tensor.dtype}"
            )
