"""The most recent episodes, within a bound, in files."""

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
    """Keeps the newest whole episodes whose transitions fit its capacity; the oldest leave first.

    Each ``extend`` writes one file, a segment, which is never changed; what leaves is skipped over. A checkpoint holds
    the manifest only: names, counts and hashes. So it is resumed with the files: ``load_state_dict`` looks for them,
    and takes none but those it was saved with. What a killed run has written after its last checkpoint is not in the
    manifest, and is written again.

    A file all of whose episodes have left is removed at the first ``extend`` after a checkpoint that does without it,
    unless ``keep_all`` is set; an older checkpoint cannot be resumed then.

    Attributes:
        capacity: most transitions it holds.
        added: transitions ever added, those that have left included.
        written: how often episodes were added.
        keep_all: keep the files of episodes that have left, for ``episodes(everything=True)``.
    """

    def __init__(self, capacity: int) -> None:
        """Start empty, in a temporary folder that is removed with this object; ``place`` chooses a lasting one.

        Args:
            capacity: most transitions to hold.
        """
        self.capacity = capacity
        self.added = 0
        self.keep_all = False
        self._folder: Path | None = None
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        self._once: Once = alone
        self._segments: list[Segment] = []
        self._left = 0  # episodes of these segments that have left
        self.written = 0  # segments ever written
        self._needless: list[Path] = []  # files that the next checkpoint does not need
        self._removable: list[Path] = []  # files that the last checkpoint does not need
        self._frames: list[Frames] | None = None
        self._column: LatentColumn | None = None

    def __len__(self) -> int:
        return int(self.lengths.sum())

    @property
    def lengths(self) -> Tensor:
        """Steps of the episodes in it, oldest first, ``(E,)`` int64."""
        return self._all_lengths()[self._left :]

    def _all_lengths(self) -> Tensor:
        lengths = [segment.lengths for segment in self._segments]
        return torch.cat(lengths) if lengths else torch.empty(0, dtype=torch.int64)

    # ------------------------------------------------------------------------------------------------------- content

    def extend(self, trajectories: Trajectories) -> None:
        """Add episodes, the newest last. Of several processes, all must call it with the same episodes.

        Raises:
            ValueError: one of them alone exceeds the capacity.
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
        """Frames of the episodes in it, oldest first: one set in memory while they are few, else mapped files."""
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
        """Add a column of latents to all frames, those that are still to come included; they lie in files, too."""
        self._column = column
        self._frames = None
        for segment in self._segments:
            self._encode(segment)

    def _encode(self, segment: Segment) -> None:
        column = self._column
        if column is not None:
            self._once(lambda: column.write_beside(segment.frames, segment.path))

    def episodes(self, everything: bool = False) -> Iterator[Trajectories]:
        """Read the episodes back as they were added, file by file.

        Args:
            everything: those that have left too; complete if ``keep_all`` was set from the beginning.
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
        """Choose a lasting folder; files written before come along.

        Args:
            folder: where to; made if it is not there.
            once: see ``Once``.

        Raises:
            PermissionError: files cannot be made there.
        """
        if folder == self._folder:
            return
        require_writable_folder(folder)
        before = self._temporary  # its files are needed until they are taken over
        self._folder, self._once, self._temporary = folder, once, None
        self._take_over([(segment.path, segment.digest) for segment in self._segments])
        del before

    def _place(self) -> Path:
        if self._folder is None:
            self._temporary = tempfile.TemporaryDirectory(prefix="gbplan-buffer-", ignore_cleanup_errors=True)
            self._folder = Path(self._temporary.name)
        return self._folder

    def _take_over(self, files: Sequence[tuple[Path, str]]) -> None:
        """Make the segments those in these files, with these hashes, after linking or copying them to the folder."""
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
        """Replace the contents by saved ones.

        Args:
            state: the manifest.
            look_in: folders that may hold the files, besides this buffer's own.
            like: what the episodes are to have the columns of; None: those of each other.

        Raises:
            FileNotFoundError: a file is in none of them.
            ValueError: a file is not the one that the manifest names, or holds other episodes than it says or than
                these; or the manifest is none.
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
    """Check that the numbers of a manifest agree with each other."""
    segments, written = state["segments"], state["written"]
    numbers = [int(entry["file"].partition("-")[0]) for entry in segments]
    if numbers != [*range(written - len(segments), written)]:
        raise ValueError(f"of {written} files it names numbers {numbers}")
    transitions = sum(entry["transitions"] for entry in segments)
    if not transitions <= state["added"] or (len(segments) == written and state["added"] != transitions):
        raise ValueError(f"its files have {transitions} transitions of {state['added']} added")
    episodes = sum(entry["episodes"] for entry in segments)
    if not state["left"] <= max(episodes - 1, 0):
        raise ValueError(f"{state['left']} of its {episodes} episodes have left")


def _require_episodes(segment: Segment, entry: dict[str, Any], first: Segment, like: Frames | None) -> None:
    """Check that a file holds the episodes of a manifest's entry."""
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
    """Shape and type of what each frame has, but for latents, which are made of it."""
    types = {key: f"{frames.shapes[key]} of {dtype}" for key, dtype in frames.dtypes.items() if key != LATENTS}
    return {**types, "actions": f"{tuple(frames.actions.shape[1:])} of {frames.actions.dtype}"}


def _find(entry: dict[str, Any], folders: Sequence[Path]) -> Path:
    """Return the file of a manifest's entry."""
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
    """Give a file a second name, or copy it where that is not possible."""
    target.unlink(missing_ok=True)  # a damaged one
    try:
        target.hardlink_to(source)
    except OSError:
        with source.open("rb") as old, replacing(target, "wb") as new:
            shutil.copyfileobj(old, new)
