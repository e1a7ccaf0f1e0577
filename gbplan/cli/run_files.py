"""Files of a training in its folder, written by callbacks."""

import shutil
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jsonargparse import Namespace
from lightning.fabric.utilities.rank_zero import rank_zero_only
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback, ModelCheckpoint
from lightning.pytorch.cli import SaveConfigCallback
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.trainer.states import TrainerFn

from gbplan.cli.grouped_logger import GroupedTensorBoardLogger
from gbplan.cli.keeping import RECIPE, Recipe
from gbplan.cli.resuming import require_same_surroundings, surroundings, training_arguments
from gbplan.data.dataset_folder import dataset_folder
from gbplan.files import locked_folder, replacing

RUN_FILES = (
    RECIPE,
    "events.out.tfevents*",
    "hparams.yaml",
    "config.yaml",
    "best.ckpt",
    "last.ckpt",
    "buffer/*",
    "buffer",
)


def _files_of_run(folder: Path) -> list[Path]:
    return [path for pattern in RUN_FILES for path in folder.glob(pattern)]


@contextmanager
def no_debris(folder: Path, first: bool) -> Iterator[None]:
    """Lock a run's folder for this command, and remove a run without a checkpoint when leaving.

    Args:
        folder: made if it does not exist.
        first: whether this is the first of a training's processes; the others do nothing.
    """
    if not first:
        yield
        return
    with locked_folder(folder):
        before = {*_files_of_run(folder)}
        try:
            yield
        except BaseException:
            if not (folder / "last.ckpt").exists():
                for path in [path for path in _files_of_run(folder) if path not in before]:
                    path.rmdir() if path.is_dir() else path.unlink()
            raise


def keep_some_best(folder: Path) -> None:
    """Make the last epoch the best if none was compared: the training was shorter than the checkpoint's interval."""
    best, last = folder / "best.ckpt", folder / "last.ckpt"
    if last.exists() and not best.exists():
        with last.open("rb") as source, replacing(best, "wb") as target:
            shutil.copyfileobj(source, target)


class LastCheckpoint(ModelCheckpoint):
    """Writes ``last.ckpt`` after every epoch.

    The ``save_last`` of a ModelCheckpoint that monitors a metric writes it only when the metric has improved: an
    interrupted run would resume from there.
    """

    def __init__(self, folder: str) -> None:
        super().__init__(folder, filename="last", save_on_train_epoch_end=True, enable_version_counter=False)

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Keep the best score of a run that has moved, which Lightning forgets if paths differ."""
        for callback in trainer.checkpoint_callbacks:
            state = checkpoint["callbacks"].get(callback.state_key)
            if not isinstance(callback, ModelCheckpoint) or state is None or callback.dirpath is None:
                continue
            moved = {path: str(Path(callback.dirpath, Path(path).name)) for path in _paths(state) if path}
            if Path(moved.get(state["best_model_path"], "")).is_file():
                state |= {key: moved.get(value, value) for key, value in state.items() if isinstance(value, str)}
                state["best_k_models"] = {moved[path]: score for path, score in state["best_k_models"].items()}
                state["dirpath"] = callback.dirpath


def _paths(state: dict[str, Any]) -> list[str]:
    """The entries of a ModelCheckpoint's state that are paths."""
    keys = ("best_model_path", "kth_best_model_path", "last_model_path")
    return [*(state[key] for key in keys), *state["best_k_models"]]


class RemoveOldRun(Callback):
    """Removes the files of the run that this one overwrites.

    Otherwise its curves would be mixed with the new ones, and its best model taken for the new run's.
    """

    def __init__(self, folder: str) -> None:
        """Note the files that are there before the new run's logger adds its own."""
        self._old = [path for path in _files_of_run(Path(folder)) if not path.is_dir()]

    @rank_zero_only
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Remove them, now that data and checkpoint have been read, and fit each other."""
        for path in self._old:
            path.unlink(missing_ok=True)


class KeepRecipe(Callback):
    """Writes the run's recipe into its folder, once data and checkpoint have been read and fit each other."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe

    @rank_zero_only
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the recipe."""
        self.recipe.write(complete=False)


def training_recipe(config: Namespace) -> Recipe:
    """The recipe of a training, from its resolved arguments."""
    data = config["data"]
    folders = [dataset_folder(each, data.get("root")) for each in data.get("datasets") or ()]
    inputs = [path for folder in folders for path in folder.glob("data/*")]
    root = Path(config["trainer"]["default_root_dir"])
    return Recipe.of(root / RECIPE, [root / "last.ckpt", root / "best.ckpt"], "fit", config.as_dict(), inputs)


class SaveStartedConfig(SaveConfigCallback):
    """Saves the configuration of a fit when it begins training, so that a refused one does not replace it."""

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Wait until training starts."""

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save the configuration, and show it in TensorBoard, now that data and checkpoint fit each other."""
        folder = trainer.log_dir  # in all processes, as Lightning requires
        if not trainer.is_global_zero:
            return
        text = self.parser.dump(self.config, skip_none=False, skip_validation=True)  # it has just been parsed
        if folder is not None:
            Path(folder).mkdir(parents=True, exist_ok=True)
            with replacing(Path(folder, self.config_filename)) as file:
                file.write(text)
        for logger in trainer.loggers:
            if isinstance(logger, TensorBoardLogger):
                block = textwrap.indent(text, "    ")  # markdown's code block
                logger.experiment.add_text("config", block, trainer.global_step)
            if isinstance(logger, GroupedTensorBoardLogger):
                logger.draw_charts()

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Save the configuration and surroundings that a resumed run must repeat, beside Lightning's state."""
        checkpoint["trainer_arguments"] = training_arguments(self.config)
        checkpoint["surroundings"] = surroundings(trainer)

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Refuse to resume if the result would differ."""
        if trainer.state.fn == TrainerFn.FITTING:
            require_same_surroundings(checkpoint, trainer)
