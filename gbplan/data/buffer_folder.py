"""The folder of a run's replay buffer: ``buffer`` in the run's own folder."""

from pathlib import Path

import lightning.pytorch as L

BUFFER = "buffer"
"""Name of the replay buffer's folder in a run's folder."""


def buffer_folder(trainer: L.Trainer | None) -> Path | None:
    """The folder for a trainer's replay buffer.

    Args:
        trainer: the trainer; None: there is none.

    Returns:
        An absolute path; None if there is no trainer, its folder is not on a disk of this machine, or its run is a
        ``fast_dev_run``.
    """
    root = str(getattr(trainer, "default_root_dir", None) or "")
    if trainer is None or not root or "://" in root or getattr(trainer, "fast_dev_run", False):
        return None
    return Path(root).absolute() / BUFFER


def buffer_folders_near(checkpoint: str | Path | None) -> list[Path]:
    """Folders that may have the files of a checkpoint's replay buffer, nearest first; none without a checkpoint."""
    # The run's folder is the checkpoint's, or one of those that Lightning makes its checkpoints' folder in.
    return [folder / BUFFER for folder in Path(checkpoint).absolute().parents[:4]] if checkpoint else []
