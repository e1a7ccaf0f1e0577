"""What a training keeps in its folder, as callbacks."""

import textwrap
from pathlib import Path
from typing import Any

from lightning.fabric.utilities.rank_zero import rank_zero_only
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback, ModelCheckpoint
from lightning.pytorch.cli import SaveConfigCallback
from lightning.pytorch.loggers import TensorBoardLogger

from gbplan.cli.resuming import training_arguments
from gbplan.files import replacing


class LastCheckpoint(ModelCheckpoint):
    """Writes ``last.ckpt`` after every epoch.

    The ``save_last`` of a ModelCheckpoint that monitors a metric writes it only when the metric has improved: an
    interrupted run would go back to there.
    """

    def __init__(self, folder: str) -> None:
        super().__init__(folder, filename="last", save_on_train_epoch_end=True, enable_version_counter=False)


class RemoveOldRun(Callback):
    """Removes the files of the run that is overwritten.

    Its curves would show among the new ones, and its best model would stand for the new run's until that has one.
    """

    def __init__(self, folder: str) -> None:
        """Note the files that are there before the new run's logger adds its own."""
        names = ("events.out.tfevents*", "hparams.yaml", "best.ckpt", "last.ckpt", "buffer/*")
        self._old = [path for name in names for path in Path(folder).glob(name)]

    @rank_zero_only
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Remove them: data and checkpoint have been read, and fit each other."""
        for path in self._old:
            path.unlink(missing_ok=True)


class SaveStartedConfig(SaveConfigCallback):
    """Keeps the config of the last fit that began, so that a refused one does not replace it."""

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Wait until training starts."""

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save the config, and show it in TensorBoard: data and checkpoint have been read, and fit each other."""
        folder = trainer.log_dir  # of all processes, as Lightning wants
        if trainer.is_global_zero and folder is not None:
            Path(folder).mkdir(parents=True, exist_ok=True)
            with replacing(Path(folder, self.config_filename)) as file:
                file.write(self.parser.dump(self.config, skip_none=False))
        for logger in trainer.loggers if trainer.is_global_zero else ():
            if isinstance(logger, TensorBoardLogger):
                text = textwrap.indent(self.parser.dump(self.config, skip_none=False), "    ")  # markdown's code
                logger.experiment.add_text("config", text, trainer.global_step)

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Keep what a resumed run must have in common with this one, beside what Lightning keeps."""
        checkpoint["trainer_arguments"] = training_arguments(self.config)
