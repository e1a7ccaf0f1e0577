"""A dataset's frames, in memory if they are small, else memory-mapped from a cache."""

from contextlib import ExitStack
from pathlib import Path
from urllib.parse import quote

import numpy as np
from tqdm import tqdm

from gbplan.data.dataset_cache import DatasetCache
from gbplan.data.dataset_reader import StoredDataset, read_episodes, stored_dtype
from gbplan.data.frames import IN_MEMORY, Frames, Runs, is_goal, runs_of
from gbplan.data.npy import NpyWriter, map_npy


def is_small(stored: StoredDataset) -> bool:
    """Whether a dataset's frames, by the count it declares, fit in memory."""
    size = 0
    for key, space in stored.info.observation_space.items():
        count = len(stored.info.seeds) if is_goal(key) else stored.num_frames
        size += count * int(np.prod(space.shape or ())) * np.dtype(stored_dtype(space)).itemsize
    return size <= IN_MEMORY


def read_frames(stored: StoredDataset, cache: DatasetCache | None) -> Frames:
    """Return all frames of a dataset.

    Args:
        stored: the dataset.
        cache: where to map them from; it is filled episode by episode, so that the frames are never all in memory.
            None: read them into memory.

    Raises:
        ValueError: the dataset is damaged, contains a NaN, or an observation differs from the declared space.
    """
    if cache is None:
        return Frames.of(read_episodes(stored))
    keys = list(stored.info.observation_space)
    folder = cache.made("columns", lambda draft: write_columns(stored, draft))
    columns = {
        key: Runs(map_npy(_file(folder, key)), map_npy(_file(folder, key, "rows")))
        if is_goal(key)
        else map_npy(_file(folder, key))
        for key in keys
    }
    return Frames(columns, map_npy(folder / "actions.npy"), map_npy(folder / "lengths.npy"))


def write_columns(stored: StoredDataset, folder: Path) -> None:
    """Write a dataset's frames into one file per column, episode after episode."""
    keys = list(stored.info.observation_space)
    with ExitStack() as open_files:

        def new(path: Path) -> NpyWriter:
            return open_files.enter_context(NpyWriter(path))

        columns = {key: new(_file(folder, key)) for key in keys}
        rows = {key: new(_file(folder, key, "rows")) for key in keys if is_goal(key)}
        actions, lengths = new(folder / "actions.npy"), new(folder / "lengths.npy")
        name, count = stored.info.dataset_id, len(stored.info.seeds)
        for e, episode in enumerate(tqdm(stored.episodes(), f"caching {name}", count, unit="episode", disable=None)):
            observed = {key: episode[f"observations/{key}"] for key in keys}
            for what, array in {**observed, "actions": episode["actions"]}.items():
                if array.dtype.kind == "f" and not np.isfinite(array).all():
                    raise ValueError(
                        f"the dataset {name} has a NaN or infinite number in {what!r}, first in episode {e}; remove "
                        "such episodes or correct what produced them"
                    )
            for key, array in observed.items():
                if is_goal(key):
                    array, of_frames = runs_of(array)
                    rows[key].append(of_frames + columns[key].rows)
                columns[key].append(array)
            actions.append(episode["actions"])
            actions.append(np.zeros_like(episode["actions"][:1]))
            lengths.append(np.array([len(episode["actions"])], np.int64))


def _file(folder: Path, key: str, part: str = "") -> Path:
    """File of an observation's column, whatever the observation's name."""
    name = f"observation-{quote(key, safe='')}"
    return folder / (f"{name}.{part}.npy" if part else f"{name}.npy")
