"""Latents of frames by a frozen encoder, computed once and stored in files."""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from tqdm import tqdm

from gbplan.data.frames import Frames
from gbplan.data.npy import NpyWriter, map_npy

if TYPE_CHECKING:
    from gbplan.data.dataset_cache import DatasetCache

LATENTS = "latents"
"""Name of the encoder's output in a batch, beside the observations."""

Encode = Callable[[dict[str, Tensor]], Tensor]
"""Maps observations ``(b, ...)`` by key, as they are stored, to latents ``(b, *D)``."""


@dataclass(frozen=True)
class LatentColumn:
    """Recipe of a column of latents.

    Attributes:
        encode: the encoder.
        key: identifies the encoder; each key has a column of its own.
        keys: observations that the encoder reads.
        shape: *D.
        dtype: type in the file, ``torch.float32`` or ``torch.float16``.
        batch_size: frames encoded at once, >= 1.
    """

    encode: Encode
    key: str
    keys: Sequence[str]
    shape: tuple[int, ...]
    dtype: torch.dtype
    batch_size: int

    def __post_init__(self) -> None:
        if self.dtype not in (torch.float32, torch.float16):
            raise ValueError(f"latents are stored as torch.float32 or torch.float16, got {self.dtype}")
        if self.batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, got {self.batch_size}")

    @property
    def made_of(self) -> dict[str, Any]:
        """The settings that determine the column, as plain data."""
        return {"encoder": self.key, "keys": [*self.keys], "shape": [*self.shape], "dtype": str(self.dtype)}

    @property
    def name(self) -> str:
        """A name unique to this column."""
        return f"{LATENTS}-{hashlib.sha256(json.dumps(self.made_of).encode()).hexdigest()[:12]}"

    def write(self, frames: Frames, path: Path, progress: str | None = None) -> None:
        """Encode all frames, in order, into a file.

        Args:
            frames: frames to encode.
            path: the file, ``*.npy``.
            progress: name of a progress bar on stderr, which shows frames per second; None: no bar.

        Raises:
            ValueError: the encoder returns another shape, or a number that is not finite.
        """
        with (
            NpyWriter(path) as column,
            tqdm(total=len(frames), desc=progress, unit=" images", disable=progress is None) as bar,
        ):
            for latents in self._encoded(frames):
                column.append(latents.numpy())
                bar.update(len(latents))

    @torch.no_grad()
    def _encoded(self, frames: Frames) -> Iterator[Tensor]:
        for rows in torch.arange(len(frames)).split(self.batch_size):
            latents = self.encode({key: frames.take(key, rows) for key in self.keys})
            if latents.shape != (len(rows), *self.shape):
                raise ValueError(
                    f"the encoder makes latents of shape {tuple(latents.shape[1:])} of {', '.join(self.keys)}, "
                    f"expected {self.shape}; pass the encoder's own shape to cache_latents"
                )
            stored = latents.to("cpu", self.dtype)
            if not torch.isfinite(stored).all():
                raise ValueError(
                    f"the encoder makes latents that are NaN or infinite of {', '.join(self.keys)}, or too large for "
                    f"{self.dtype}; are its weights those of a finished training?"
                )
            yield stored

    def from_cache(self, frames: Frames, cache: "DatasetCache", shows_progress: bool = False) -> Frames:
        """Add the latents to a dataset's frames, from its cache; they are encoded first unless they are there.

        Args:
            frames: all frames of the dataset.
            cache: the dataset's cache.
            shows_progress: show a progress bar while encoding.

        Raises:
            ValueError: the cached latents differ from the encoder's, or see ``write``.
        """
        progress = f"encoding {cache.dataset_id}" if shows_progress else None
        file = f"{LATENTS}.npy"
        folder = cache.made(self.name, lambda draft: self.write(frames, draft / file, progress), **self.made_of)
        encoded = frames.with_column(LATENTS, map_npy(folder / file))
        self._require_agreement(encoded, folder)
        return encoded

    @torch.no_grad()
    def _require_agreement(self, frames: Frames, place: Path) -> None:
        """Check that the latents of the first frames, read from a file or folder, are the encoder's up to rounding."""
        rows = torch.arange(min(len(frames), 8))
        stored = frames.take(LATENTS, rows).float()
        found = self.encode({key: frames.take(key, rows) for key in self.keys}).to("cpu", torch.float32)
        atol = 0.01 * float(stored.std())
        if found.shape != stored.shape or not torch.allclose(found, stored, rtol=0.01, atol=atol):
            raise ValueError(
                f"the latents in {place} are not what this encoder makes, though its key is the same: its code must "
                f"have changed; remove the {'folder' if place.is_dir() else 'file'}"
            )

    def write_beside(self, frames: Frames, path: Path) -> None:
        """Encode the frames of a file into a second file beside it, unless that exists.

        Raises:
            ValueError: the existing file differs from the encoder's latents, or see ``write``.
        """
        target = self._beside(path)
        try:
            complete = map_npy(target).shape == (len(frames), *self.shape)
        except (OSError, ValueError):  # missing or damaged
            complete = False
        if not complete:
            self.write(frames, target)
        else:
            self._require_agreement(self.read_beside(frames, path), target)

    def read_beside(self, frames: Frames, path: Path) -> Frames:
        """Add the latents to the frames of a file, from the file beside it."""
        return frames.with_column(LATENTS, map_npy(self._beside(path)))

    def _beside(self, path: Path) -> Path:
        return path.with_name(f"{path.stem}.{self.name}.npy")
