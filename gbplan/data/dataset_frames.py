"""A dataset's frames."""

from gbplan.data.dataset_reader import StoredDataset, read_episodes
from gbplan.data.frames import Frames


def read_frames(stored: StoredDataset) -> Frames:
    """Read all frames of a dataset."""
    return Frames.of(read_episodes(stored))
