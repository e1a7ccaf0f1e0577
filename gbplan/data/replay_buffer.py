"""Replay buffer: the newest episodes up to a capacity, in files."""

import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gbplan.data.frames import IN_MEMORY, Frames
from gbplan.data.latents import LATENTS, LatentColumn
from gbplan.data.processes import Once, alone
from gbplan.data.segment import Segment, file_digest, write_segment
from gbplan.data.trajectories import Trajectories
from gbplan.files import replacing, require_writable_folder
from gbplan.untrusted import COUNT, require_form


class ReplayBuffer:
    """Keeps the newest whole episodes whose transitions fit its capacity, and drops the oldest first.

    Each ``extend`` writes one file, a segment, which never changes; dropped episodes are skipped. A checkpoint contains
    only the manifest: names, counts and hashes. To resume, ``load_state_dict`` looks for the files, and accepts only
    those that were saved. Files that a killed run wrote after its last checkpoint are not in the manifest, and are
    written again.

    A file whose episodes are all dropped is removed at the first ``extend`` after a checkpoint that does not need it,
    unless ``keep_all`` is set; older checkpoints cannot be resumed then.

    Attributes:
        capacity: maximal number of transitions, >= 1.
        added: transitions ever added, dropped ones included.
        written: number of times that episodes were added.
        keep_all: keep the files of dropped episodes, for ``episodes(everything=True)``.
    """

    def __init__(self, capacity: int) -> None:
        """Start empty, in a temporary folder that is removed with this object; ``place`` chooses a lasting one.

        Args:
            capacity: maximal number of transitions, >= 1.
        """
        self.capacity = capacity
        self.added = 0
        self.keep_all = False
        self._folder: Path | None = None
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        self._once: Once = alone
        self._segments: list[Segment] = []
        self._left = 0  # dropped episodes of these segments
        self.written = 0  # segments ever written
        self._needless: list[Path] = []  # files that the next checkpoint does not need
        self._removable: list[Path] = []  # files that the last checkpoint does not need
        self._frames: list[Frames] | None = None
        self._column: LatentColumn | None = None

    def __len__(self) -> int:
        return int(self.lengths.sum())

    @property
    def lengths(self) -> Tensor:
        """Steps of the episodes in the buffer, oldest first, ``(E,)`` int64."""
        return self._all_lengths()[self._left :]

    def _all_lengths(self) -> Tensor:
        lengths = [segment.lengths for segment in self._segments]
        return torch.cat(lengths) if lengths else torch.empty(0, dtype=torch.int64)

    # ------------------------------------------------------------------------------------------------------- content

    def extend(self, trajectories: Trajectories) -> None:
        """Add episodes, the newest last. With several processes, all must call it with the same episodes.

        Args:
            trajectories: the episodes; none changes nothing.

        Raises:
            ValueError: a single episode exceeds the capacity.
        """
        if len(trajectories) == 0:
            return
        longest = int(trajectories.lengths.max())
        if longest > self.capacity:
            raise ValueError(
                f"an episode of {longest} steps does not fit a replay buffer of {self.capacity} transitions; raise "
                "buffer_capacity"
            )
        folder = self._place()

        def write() -> tuple[str, str]:
            for path in self._removable:
                for each in _belonging(path):
                    each.unlink(missing_ok=True)
            return write_segment(folder, self.written, trajectories)

        name, digest = self._once(write)
        self._removable = []
        self._segments.append(Segment(folder / name, digest))
        self.written += 1
        self.added += trajectories.num_transitions
        self._frames = None
        self._encode(self._segments[-1])
        self._evict()

    def _evict(self) -> None:
        # An episode stays if it and all newer ones fit.
        lengths = self._all_lengths()
        kept = int((lengths.flip(0).cumsum(0) <= self.capacity).sum())
        self._left = max(self._left, len(lengths) - kept)
        while not self.keep_all and self._left >= len(self._segments[0].lengths):
            gone = self._segments.pop(0)
            self._left -= len(gone.lengths)
            self._needless.append(gone.path)
        if self._temporary is not None:  # no checkpoint outlives them
            self._removable += self._needless
            self._needless = []

    def frames(self) -> list[Frames]:
        """Frames of the episodes in the buffer, oldest first: one set in memory if small, else mapped files."""
        if self._frames is None:
            kept, before = [], 0
            for segment in self._segments:
                if before + len(segment.lengths) > self._left:
                    frames = segment.frames
                    if self._column is not None:
                        frames = self._column.read_beside(frames, segment.path)
                    kept.append(frames.since(max(self._left - before, 0)))
                before += len(segment.lengths)
            small = sum(frames.nbytes for frames in kept) <= IN_MEMORY
            self._frames = [Frames.concatenate(kept)] if small and kept else kept
        return self._frames

    def encode_with(self, column: LatentColumn) -> None:
        """Add a column of latents, stored in files, to all frames, those added later included."""
        self._column = column
        self._frames = None
        for segment in self._segments:
            self._encode(segment)

    def _encode(self, segment: Segment) -> None:
        column = self._column
        if column is not None:
            self._once(lambda: column.write_beside(segment.frames, segment.path))

    def episodes(self, everything: bool = False) -> Iterator[Trajectories]:
        """Read the episodes as they were added, file by file.

        Args:
            everything: include dropped episodes; complete if ``keep_all`` was set from the beginning.
        """
        before = 0
        for segment in self._segments:
            count = len(segment.lengths)
            first = 0 if everything else max(self._left - before, 0)
            before += count
            if first < count:
                trajectories = segment.trajectories()
                yield trajectories.select(range(first, count)) if first else trajectories

    # --------------------------------------------------------------------------------------------------------- files

    def place(self, folder: Path, once: Once) -> None:
        """Choose a lasting folder; files written before are moved there.

        Args:
            folder: the folder; made if it does not exist.
            once: see ``Once``.

        Raises:
            PermissionError: files cannot be made there.
        """
        if folder == self._folder:
            return
        require_writable_folder(folder)
        before = self._temporary  # its files are needed until they are copied
        self._folder, self._once, self._temporary = folder, once, None
        self._take_over([(segment.path, segment.digest) for segment in self._segments])
        del before

    def _place(self) -> Path:
        if self._folder is None:
            self._temporary = tempfile.TemporaryDirectory(prefix="gbplan-buffer-", ignore_cleanup_errors=True)
            self._folder = Path(self._temporary.name)
        return self._folder

    def _take_over(self, files: Sequence[tuple[Path, str]]) -> None:
        """Replace the segments by these files, with these hashes, after linking or copying them to the folder."""
        folder = self._place()

        def write() -> None:
            for path, _ in files:
                for each in _belonging(path) if path.parent != folder else ():
                    _link(each, folder / each.name)

        self._once(write)
        self._segments = [Segment(folder / path.name, digest) for path, digest in files]
        self._frames = None
        for segment in self._segments:
            self._encode(segment)

    def state_dict(self) -> dict[str, Any]:
        """Return the manifest, loadable with ``weights_only=True``."""
        self._removable += self._needless
        self._needless = []
        segments = [
            {
                "file": segment.path.name,
                "sha256": segment.digest,
                "episodes": len(segment.lengths),
                "transitions": int(segment.lengths.sum()),
            }
            for segment in self._segments
        ]
        return {"segments": segments, "left": self._left, "written": self.written, "added": self.added}

    def load_state_dict(self, state: Any, look_in: Sequence[Path] = (), like: Frames | None = None) -> None:
        """Replace the contents by the saved ones.

        Args:
            state: the manifest.
            look_in: folders to search for the files, in addition to this buffer's own.
            like: frames whose columns the episodes must have; None: the episodes need only agree with each other.

        Raises:
            FileNotFoundError: a file is in none of the folders.
            ValueError: a file is not the one in the manifest, or its episodes differ from the manifest or from
                ``like``; or the state is not a manifest.
        """
        try:
            require_form(state, _MANIFEST, "it")
            _require_sums(state)
        except ValueError as error:
            raise ValueError(
                f"the checkpoint's replay buffer is not a manifest of files ({error}): it is damaged or of an older "
                f"version of gbplan; {_ADVICE}"
            ) from None
        folders = list(dict.fromkeys([self._place(), *look_in]))
        found = [Segment(_find(entry, folders), entry["sha256"]) for entry in state["segments"]]
        for segment, entry in zip(found, state["segments"], strict=True):
            _require_episodes(segment, entry, found[0], like)
        self._take_over([(segment.path, segment.digest) for segment in found])
        self._left, self.written, self.added = state["left"], state["written"], state["added"]
        self._needless, self._removable = [], []


_ADVICE = "restore it, or begin a new run from the checkpoint's weights with model.init_from"
_HASH = re.compile("[0-9a-f]{64}")
_FILE = re.compile("[0-9]{6,}-[0-9a-f]{8}[.]pt")
_MANIFEST = {
    "segments": [{"file": _FILE, "sha256": _HASH, "episodes": COUNT[1:], "transitions": COUNT[1:]}],
    "left": COUNT,
    "written": COUNT,
    "added": range(2**53),
}


def _require_sums(state: dict[str, Any]) -> None:
    """Check that the counts of a manifest agree with each other."""
    segments, written = state["segments"], state["written"]
    numbers = [int(entry["file"].partition("-")[0]) for entry in segments]
    if numbers != [*range(written - len(segments), written)]:
        raise ValueError(f"it names the files {numbers} of {written}")
    transitions = sum(entry["transitions"] for entry in segments)
    if not transitions <= state["added"] or (len(segments) == written and state["added"] != transitions):
        raise ValueError(f"its files have {transitions} transitions, but {state['added']} were added")
    episodes = sum(entry["episodes"] for entry in segments)
    if not state["left"] <= max(episodes - 1, 0):
        raise ValueError(f"it counts {state['left']} of its {episodes} episodes as removed")


def _require_episodes(segment: Segment, entry: dict[str, Any], first: Segment, like: Frames | None) -> None:
    """Check that a file contains the episodes of a manifest's entry."""
    try:
        segment.require_whole()
        there = {"episodes": len(segment.lengths), "transitions": int(segment.lengths.sum())}
        if there != {name: entry[name] for name in there}:
            raise ValueError(f"it has {there}, the checkpoint says {entry}")
        columns, expected = _columns(segment.frames), _columns(first.frames if like is None else like)
        if columns != expected:
            raise ValueError(f"it has columns {columns}, expected {expected}")
    except ValueError as error:
        raise ValueError(
            f"the replay buffer's file {segment.path} does not hold its episodes ({error}); {_ADVICE}"
        ) from None


def _columns(frames: Frames) -> dict[str, str]:
    """Shape and type of each column except latents, which are computed from the others."""
    types = {key: f"{frames.shapes[key]} of {dtype}" for key, dtype in frames.dtypes.items() if key != LATENTS}
    return {**types, "actions": f"{tuple(frames.actions.shape[1:])} of {frames.actions.dtype}"}


def _find(entry: dict[str, Any], folders: Sequence[Path]) -> Path:
    """Find the file of a manifest's entry."""
    there = [path for folder in folders if (path := folder / entry["file"]).is_file()]
    if not there:
        raise FileNotFoundError(
            f"the replay buffer's file {entry['file']} is missing, looked for in {', '.join(map(str, folders))}; "
            f"{_ADVICE}"
        )
    for path in there:
        if file_digest(path) == entry["sha256"]:
            return path
    raise ValueError(f"the replay buffer's file {there[0]} is damaged, its SHA-256 is not the checkpoint's; {_ADVICE}")


def _belonging(path: Path) -> list[Path]:
    """A segment's file, and those of its latents."""
    return sorted(path.parent.glob(f"{path.stem}.*"))


def _link(source: Path, target: Path) -> None:
    """Link a file under a second name, or copy it if that is not possible."""
    target.unlink(missing_ok=True)  # a damaged file
    try:
        target.hardlink_to(source)
    except OSError:
        with source.open("rb") as old, replacing(target, "wb") as new:
            shutil.copyfileobj(old, new)
