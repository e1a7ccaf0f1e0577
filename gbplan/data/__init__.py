"""Trajectories in memory and on disk, and the batches made of them."""

from typing import TYPE_CHECKING, Any

from gbplan.data.collect import collect
from gbplan.data.dataset_folder import list_datasets
from gbplan.data.dataset_reader import DatasetInfo, read_dataset
from gbplan.data.dataset_writer import write_dataset
from gbplan.data.episodes import make_vector_env, run_episodes
from gbplan.data.statistics import Statistics
from gbplan.data.trajectories import Trajectories
from gbplan.data.windows import collate_windows
from gbplan.seeds import HELD_OUT_SEEDS, TRAINING_SEEDS, VALIDATION_SEEDS, episode_seeds

if TYPE_CHECKING:
    from gbplan.data.datamodule import TrajectoryDataModule

__all__ = [
    "HELD_OUT_SEEDS",
    "TRAINING_SEEDS",
    "VALIDATION_SEEDS",
    "DatasetInfo",
    "Statistics",
    "Trajectories",
    "TrajectoryDataModule",
    "collate_windows",
    "collect",
    "episode_seeds",
    "list_datasets",
    "make_vector_env",
    "read_dataset",
    "run_episodes",
    "write_dataset",
]


def __getattr__(name: str) -> Any:
    """Import the data module, which needs Lightning, at its first use: ``gbplan collect`` does not need it."""
    if name != "TrajectoryDataModule":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from gbplan.data.datamodule import TrajectoryDataModule

    return TrajectoryDataModule
