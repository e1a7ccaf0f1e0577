"""What a training keeps in its folder, as callbacks."""

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

from gbplan.cli.keeping import RECIPE, Recipe
from gbplan.cli.resuming import require_same_surroundings, surroundings, training_arguments
from gbplan.data.dataset_folder import dataset_folder
from gbplan.files import occupying, replacing

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
    """Be the only command in a run's folder, and leave no folder that looks like a run if there is no checkpoint in it.

    Args:
        folder: made if it is not there.
        first: whether this is the first of a training's processes; the others leave all to it.
    """
    if not first:
        yield
        return
    with occupying(folder):
        before = {*_files_of_run(folder)}
        try:
            yield
        except BaseException:
            if not (folder / "last.ckpt").exists():
                for path in [path for path in _files_of_run(folder) if path not in before]:
                    path.rmdir() if path.is_dir() else path.unlink()
            raise


def keep_some_best(folder: Path) -> None:
    """Let the last epoch be the best where none was compared: the training was shorter than the interval of that."""
    best, last = folder / "best.ckpt", folder / "last.ckpt"
    if last.exists() and not best.exists():
        with last.open("rb") as source, replacing(best, "wb") as target:
            shutil.copyfileobj(source, target)


class LastCheckpoint(ModelCheckpoint):
    """Writes ``last.ckpt`` after every epoch.

    The ``save_last`` of a ModelCheckpoint that monitors a metric writes it only when the metric has improved: an
    interrupted run would go back to there.
    """

    def __init__(self, folder: str) -> None:
        super().__init__(folder, filename="last", save_on_train_epoch_end=True, enable_version_counter=False)

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Let a run that has moved keep its best score, which Lightning forgets where paths differ."""
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
    """What a ModelCheckpoint's state names files by."""
    keys = ("best_model_path", "kth_best_model_path", "last_model_path")
    return [*(state[key] for key in keys), *state["best_k_models"]]


class RemoveOldRun(Callback):
    """Removes the files of the run that is overwritten.

    Its curves would show among the new ones, and its best model would stand for the new run's until that has one.
    """

    def __init__(self, folder: str) -> None:
        """Note the files that are there before the new run's logger adds its own."""
        self._old = [path for path in _files_of_run(Path(folder)) if not path.is_dir()]

    @rank_zero_only
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Remove them: data and checkpoint have been read, and fit each other."""
        for path in self._old:
            path.unlink(missing_ok=True)


class KeepRecipe(Callback):
    """Keeps in a run's folder what the run is made from, once data and checkpoint have been read and fit each other."""

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
        checkpoint["surroundings"] = surroundings(trainer)

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Refuse to resume where the result would be another."""
        if trainer.state.fn == TrainerFn.FITTING:
            require_same_surroundings(checkpoint, trainer)
