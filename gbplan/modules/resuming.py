"""Resuming an epoch in its middle: the states from which a training cannot go on exactly."""

from typing import Any

import lightning as L


def accumulating(trainer: L.Trainer) -> bool:
    """Whether gradients of the last batches wait for those of the next."""
    done = trainer.fit_loop.epoch_loop.batch_progress.current.ready
    return done % trainer.accumulate_grad_batches > 0 and done < trainer.num_training_batches


def require_resumable(trainer: L.Trainer, has_gradients: bool) -> None:
    """Check that the training can go on exactly from the trainer's checkpoint.

    Args:
        trainer: has restored its loops from the checkpoint ``trainer.ckpt_path``.
        has_gradients: whether the checkpoint contains accumulated gradients.

    Raises:
        ValueError: the checkpoint lacks accumulated gradients, or was saved in the middle of a batch, or after an
            epoch's last one but before the epoch's end.
    """
    batches: Any = trainer.fit_loop.epoch_loop.batch_progress
    progress = batches.current
    if progress.ready != progress.processed:
        raise ValueError(
            f"the checkpoint {trainer.ckpt_path} was saved in the middle of a batch, from which a training cannot go "
            "on exactly; resume from an earlier one, or begin a new run with model.init_from"
        )
    if progress.completed < progress.processed and batches.is_last_batch:
        # Lightning would begin the next epoch, without this one's validation and without its round of online data.
        raise ValueError(
            f"the checkpoint {trainer.ckpt_path} was saved after the last batch of an epoch, but before what comes at "
            "an epoch's end, so the training cannot go on exactly; resume from one of another step, or of the end of "
            "an epoch, such as last.ckpt"
        )
    if accumulating(trainer) and not has_gradients:
        raise ValueError(
            f"the checkpoint {trainer.ckpt_path} was saved in the middle of accumulating gradients, and lacks those of "
            "some processes, so the training cannot go on exactly; resume from one saved at a multiple of "
            "accumulate_grad_batches, or begin a new run with model.init_from"
        )
