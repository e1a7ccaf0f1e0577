"""LightningCLI for world models: ``gbplan fit`` and ``gbplan validate``."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from jsonargparse.typing import PositiveInt
from lightning.pytorch.callbacks import Callback, ModelCheckpoint
from lightning.pytorch.cli import ArgsType, LightningArgumentParser, LightningCLI
from lightning.pytorch.plugins import CheckpointIO
from lightning.pytorch.utilities.exceptions import SIGTERMException

from gbplan import checks
from gbplan.callbacks import OnlineWorldModeling, PlanningValidation
from gbplan.cli.command import add_overwrite
from gbplan.cli.errors import naming_files
from gbplan.cli.grouped_logger import GroupedTensorBoardLogger
from gbplan.cli.keeping import add_keep
from gbplan.cli.resuming import require_same_run
from gbplan.cli.run_files import (
    KeepRecipe,
    LastCheckpoint,
    RemoveOldRun,
    SaveStartedConfig,
    keep_some_best,
    no_debris,
    training_recipe,
)
from gbplan.data import TrajectoryDataModule
from gbplan.modules import SafeCheckpointIO, WorldModelModule, world_model_weights
from gbplan.policies import Agent

KEYWORDS = ("best", "last", "hpc", "registry")
"""Words with which Lightning finds a checkpoint itself."""

# Callbacks that are groups of arguments, like Lightning's checkpoint, so that their agents may be files; in a list of
# callbacks they may not. A training has the callback if its agent is given.
GROUPS: dict[str, type[Callback]] = {"validation": PlanningValidation, "online": OnlineWorldModeling}


def run_trainer(args: Sequence[str]) -> None:
    """Run ``fit`` or ``validate``, the first of ``args``."""
    raising = {"exit_on_error": False, "allow_abbrev": False}  # do not take a mistyped option for another
    GBPlanCLI(
        WorldModelModule,
        TrajectoryDataModule,
        subclass_mode_model=True,
        seed_everything_default=0,
        save_config_callback=SaveStartedConfig,
        save_config_kwargs={"overwrite": True},
        parser_kwargs={"prog": "gbplan", **raising, **dict.fromkeys(GBPlanCLI.subcommands(), raising)},
        args=list(args),
    )


class GBPlanCLI(LightningCLI):
    """LightningCLI whose runs live in one folder, ``trainer.default_root_dir``: logs, checkpoints and config."""

    @staticmethod
    def subcommands() -> dict[str, set[str]]:
        """Lightning's subcommands for which world models have steps."""
        stock = LightningCLI.subcommands()
        return {name: stock[name] for name in ("fit", "validate")}

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Add the checkpoint settings, the callbacks that plan, and the permission to overwrite a run."""
        parser.add_lightning_class_args(ModelCheckpoint, "checkpoint")
        for name, callback in GROUPS.items():
            parser.add_class_arguments(callback, name, skip={"agent"}, instantiate=False)
            parser.add_function_arguments(_acting, name, as_group=False, sub_configs=True)
        parser.set_defaults(
            {
                "trainer.default_root_dir": "runs/fit",
                "checkpoint.filename": "best",
                "checkpoint.monitor": "val/loss",
                "checkpoint.enable_version_counter": False,
                "checkpoint.auto_insert_metric_name": False,
            }
        )
        parser.link_arguments("trainer.default_root_dir", "checkpoint.dirpath")
        add_overwrite(parser)
        add_keep(parser)
        parser.add_argument(
            "--num_threads", type=PositiveInt | None, help="CPU threads of torch; null: torch's choice."
        )

    def parse_arguments(self, parser: LightningArgumentParser, args: ArgsType) -> None:
        """Parse, and check the checkpoint to resume from before Lightning reads the model's arguments from it.

        Raises:
            AlreadyDoneError: see ``Recipe.state``.
        """
        self._given = [each for each in args if isinstance(each, str)] if isinstance(args, list) else []
        with naming_files(self._given):
            super().parse_arguments(parser, args)
        config = self.config.get(str(self.config.get("subcommand")), self.config)
        if self.config.get("subcommand") == "fit":
            self.recipe = training_recipe(config)
            last = Path(config["trainer"]["default_root_dir"], "last.ckpt")
            if config["keep"]:
                if config["ckpt_path"]:
                    raise ValueError("--keep finds by itself where to go on; leave --ckpt_path out, or --keep")
                state = self.recipe.state(config["overwrite"])
                if state == "interrupted" and last.exists():
                    config["ckpt_path"] = str(last)
                config["overwrite"] |= state != "absent"
            config["keep"] = False  # no setting of the run
        elif config.get("keep"):
            raise ValueError("validate keeps nothing; leave --keep out")
        path = config.get("ckpt_path")
        if self.config.get("subcommand") == "validate" and not path:
            raise ValueError("validate needs the model to validate; add --ckpt_path, e.g. runs/base/best.ckpt")
        if not path or path in KEYWORDS:
            return
        require_same_run(path, config, fitting=self.config.get("subcommand") == "fit")

    def before_instantiate_classes(self) -> None:
        """Set the number of threads, and refuse settings that the Trainer accepts but cannot train with."""
        config = self.config.get(str(self.subcommand), self.config)
        counts = {name: config["trainer"][name] for name in ("accumulate_grad_batches", "check_val_every_n_epoch")}
        checks.at_least_one(**{f"trainer.{name}": count for name, count in counts.items() if count is not None})
        checks.not_negative(**{"trainer.log_every_n_steps": config["trainer"]["log_every_n_steps"] or 0})
        num_threads = config["num_threads"]
        checks.thread_count(num_threads=num_threads)
        if num_threads is not None:
            torch.set_num_threads(num_threads)

    def instantiate_classes(self) -> None:
        """Make the model, data and trainer of the configuration."""
        with naming_files(self._given):
            super().instantiate_classes()

    def instantiate_trainer(self, **kwargs: Any) -> Any:
        """Log to TensorBoard in the run's own folder unless another logger is given, and save the last epoch there."""
        config = self._get(self.config_init, "trainer")
        root = config["default_root_dir"]
        if config["logger"] is None and not config["fast_dev_run"]:
            kwargs["logger"] = GroupedTensorBoardLogger(root, name="", version="", default_hp_metric=False)
        given = config["callbacks"] or []
        callbacks = [*given] if isinstance(given, list) else [given]
        if self._get(self.config_init, "overwrite") and not self._goes_on():
            callbacks.append(RemoveOldRun(root))
        for name, callback in GROUPS.items():
            if self._get(self.config_init, f"{name}.agent", default=None) is not None:
                callbacks.append(callback(**self._get(self.config_init, name)))
        if self.subcommand == "fit" and not config["fast_dev_run"]:
            callbacks.append(KeepRecipe(self.recipe))
        kwargs["callbacks"] = callbacks
        plugins = config["plugins"] if isinstance(config["plugins"], list) else [config["plugins"]]
        if not any(isinstance(plugin, CheckpointIO) for plugin in plugins):
            kwargs["plugins"] = [*(plugin for plugin in plugins if plugin is not None), SafeCheckpointIO()]
        trainer: Any = super().instantiate_trainer(**kwargs)
        if config["enable_checkpointing"] is not False:
            # After the best epoch's checkpoint callback, whose state it saves: a resumed run must know the best so far.
            trainer.callbacks.append(LastCheckpoint(root))
        return trainer

    def fit(self, **arguments: Any) -> None:
        """Train, as the only command in the run's folder; if stopped, print how to resume.

        Raises:
            BlockingIOError: another command writes into the folder.
            FileExistsError: the folder contains another run, and ``--overwrite`` is not given.
            PermissionError: the folder cannot be written.
        """
        config = self.config["fit"]
        begun_from = config["model"].get("init_args", {})
        begun_from = begun_from.get("init_from") or begun_from.get("encoder_from")
        if begun_from and not config["ckpt_path"]:
            world_model_weights(begun_from)
        if config["trainer"]["fast_dev_run"]:
            self._train(arguments)
            return
        root = Path(config["trainer"]["default_root_dir"])
        with no_debris(root, self.trainer.is_global_zero):
            last = root / "last.ckpt"
            if last.exists() and not self._goes_on() and not config["overwrite"]:
                raise FileExistsError(
                    f"{root} already holds a run; resume it with --ckpt_path {last}, choose another folder with "
                    "--trainer.default_root_dir, or replace it with --overwrite"
                )
            self._train(arguments)
            if config["checkpoint"]["filename"] == "best" and self.trainer.is_global_zero:
                keep_some_best(root)
            if self.trainer.is_global_zero:
                self.recipe.write(complete=True)

    def _train(self, arguments: dict[str, Any]) -> None:
        try:
            interruptible(self.trainer.fit, arguments)
        except SIGTERMException:
            raise SIGTERMException(self._how_to_go_on()) from None
        except KeyboardInterrupt:
            raise KeyboardInterrupt(self._how_to_go_on()) from None

    def _goes_on(self) -> bool:
        """Whether the run to resume is the one in the run's own folder."""
        config = self._get(self.config, "trainer")
        path = self._get(self.config, "ckpt_path", default=None)
        here = Path(config["default_root_dir"])
        return bool(path) and (path in KEYWORDS or Path(path).resolve().parent == here.resolve())

    def validate(self, **arguments: Any) -> None:
        """Validate a model."""
        interruptible(self.trainer.validate, arguments)

    def _how_to_go_on(self) -> str:
        config = self.config["fit"]
        root = Path(config["trainer"]["default_root_dir"])
        # Before this run's first epoch ends, last.ckpt belongs to the run that is being overwritten.
        begun = config["ckpt_path"] or self.trainer.current_epoch > 0
        if not begun or not (root / "last.ckpt").exists():
            return "there is no checkpoint yet to go on from"
        return f"go on with: gbplan fit --config {root / 'config.yaml'} --ckpt_path {root / 'last.ckpt'}"

    def after_fit(self) -> None:
        """Print where the results are."""
        config = self.config["fit"]
        root = Path(config["trainer"]["default_root_dir"])
        models = [name for name in ("best.ckpt", "last.ckpt") if (root / name).exists()]
        if models and not config["trainer"]["fast_dev_run"]:
            monitor = config["checkpoint"]["monitor"]
            kept = [each for each in self.trainer.checkpoint_callbacks if isinstance(each, ModelCheckpoint)]
            score = next((each.best_model_score for each in kept if monitor and each.monitor == monitor), None)
            if score is not None and models[0] == "best.ckpt":
                models[0] += f" with {monitor} {score:.4g}"
            print(f"the model is in {root} ({', '.join(models)}); watch it with tensorboard --logdir {root}")
            if monitor and score is None and models[0] == "best.ckpt":
                every = config["checkpoint"]["every_n_epochs"] or 1
                print(
                    f"best.ckpt is the model of the last epoch, not of the best one: checkpoint.monitor is {monitor}, "
                    f"and {'no epoch' if every == 1 else f'none of the epochs {every}, {2 * every}, ...'} logged this "
                    f"value; logged values are {', '.join(sorted(self.trainer.callback_metrics)) or 'none'}"
                )


def _acting(agent: Agent | None = None) -> None:
    """The command line's type of a group's agent, which is optional; in the callback it is a required argument.

    Args:
        agent: planner, objective and replanning, or a yaml file of them; null: no such callback.
    """


def interruptible(function: Callable[..., Any], arguments: dict[str, Any]) -> None:
    """Call a method of the Trainer, and raise the KeyboardInterrupt that it turns into an exit with 1.

    Raises:
        ValueError: it would have to read a checkpoint as more than plain data.
    """
    if arguments.get("weights_only") is False:
        raise ValueError("checkpoints are read as plain data, since others could run code; leave --weights_only out")
    try:
        function(**arguments | {"weights_only": True})  # explicit, because an environment variable could say otherwise
    except SystemExit as stop:
        if isinstance(stop.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from None
        raise
