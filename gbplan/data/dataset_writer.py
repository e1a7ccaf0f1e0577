"""Writes trajectories as Minari datasets."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import IO, Any

import gymnasium as gym
import minari
import numpy as np
from gymnasium.envs.registration import EnvSpec
from minari.data_collector import EpisodeBuffer
from minari.dataset.minari_storage import MinariStorage
from tqdm import tqdm

from gbplan.data.bounds import require_inside
from gbplan.data.dataset_folder import dataset_folder, writing
from gbplan.data.trajectories import Trajectories
from gbplan.envs.contract import require_goal_conditioned
from gbplan.files import replacing, replacing_folder, require_written


def write_dataset(
    trajectories: Trajectories | Sequence[Trajectories],
    dataset_id: str,
    env_spec: EnvSpec,
    *,
    seeds: Sequence[int] | None = None,
    metadata: dict[str, Any] | None = None,
    root: str | Path | None = None,
    overwrite: bool = False,
    progress: bool = False,
) -> Path:
    """Write trajectories as a local Minari dataset that ``minari.load_dataset`` reads, pictures without loss.

    The dataset appears under its name only when it is complete: it is written into a hidden folder beside it, which
    Minari does not list, and then renamed. A dataset that is overwritten stays until then.

    Args:
        trajectories: episodes to write, as one or in parts; an episode that did not terminate is marked as truncated.
            Only info entries that all parts have are written.
        dataset_id: ``name-v0``, or ``namespace/name-v0``.
        env_spec: the single environment's spec, with its keyword arguments; stored for ``recover_environment``.
        seeds: environment seed of each episode.
        metadata: more entries for the dataset's metadata; must be JSON.
        root: folder of all datasets; None: Minari's own.
        overwrite: replace an existing dataset.
        progress: show a progress bar on stderr.

    Returns:
        The dataset's folder.

    Raises:
        FileExistsError: the dataset exists already, and ``overwrite`` is False.
        PermissionError: its folder cannot be written into.
        BlockingIOError: another command is writing it.
        WriteError: the dataset could not be written; existing files are unchanged.
        ValueError: there are no episodes, they contain a NaN, the number of seeds is wrong, or gbplan cannot plan in
            their spaces.
    """
    parts = [trajectories] if isinstance(trajectories, Trajectories) else trajectories
    episodes = sum(map(len, parts))
    if episodes == 0:
        raise ValueError(f"the dataset {dataset_id} would be empty; give at least one episode")
    if seeds is not None and len(seeds) != episodes:
        raise ValueError(f"seeds must have one entry per episode ({episodes}), got {len(seeds)}")
    for part in parts:
        part.require_finite(f"the dataset {dataset_id}")
    with closing(gym.make(env_spec)) as env:
        spaces = require_goal_conditioned(env.observation_space, env.action_space, env_spec.id)
    for part in parts:
        for key, space in spaces[0].items():
            require_inside(part.observations[key], space, f"the dataset {dataset_id}: {key!r}")
        require_inside(part.actions, spaces[1], f"the dataset {dataset_id}: 'actions'")

    folder = dataset_folder(dataset_id, root)
    with writing(dataset_id, root, overwrite), replacing_folder(folder) as new:
        storage = MinariStorage.new(
            new / "data", *spaces, env_spec=env_spec, data_format="hdf5", jpeg_encoding=False
        )  # a model must train on the pictures that it will plan from, not on their JPEGs
        storage.update_metadata({"dataset_id": dataset_id, "minari_version": minari.__version__} | (metadata or {}))
        with replacing(storage._file_path, "wb") as file:
            storage._file_path = file  # h5py accepts a file for a path, but does not report a full disk for this one
            bar = tqdm(
                _buffers(parts, seeds, file), f"writing {dataset_id}", episodes, unit="episode", disable=not progress
            )
            storage.update_episodes(bar)
    return folder


def _buffers(parts: Sequence[Trajectories], seeds: Sequence[int] | None, file: IO[Any]) -> Iterator[EpisodeBuffer]:
    infos = set.intersection(*(set(part.infos) for part in parts))
    numbered = enumerate((part, e, frames) for part in parts for e, frames in enumerate(part.episodes()))
    for number, (part, e, frames) in numbered:
        require_written(file)
        steps = slice(frames.start, frames.stop - 1)
        last = np.arange(part.lengths[e]) == part.lengths[e] - 1
        yield EpisodeBuffer(
            id=number,
            seed=None if seeds is None else int(seeds[number]),
            observations={key: array[frames] for key, array in part.observations.items()},
            actions=part.actions[steps],
            rewards=part.rewards[steps],
            terminations=last & part.terminated[e],
            truncations=last & ~part.terminated[e],
            infos={key: part.infos[key][frames] for key in sorted(infos)},
        )
