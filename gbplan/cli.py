"""The ``gbplan`` command: Lightning's subcommands, and ``collect``, ``evaluate`` and ``report`` beside them."""

import errno
import inspect
import logging
import os
import re
import sys
import textwrap
import warnings
from argparse import ArgumentError
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import gymnasium as gym
import torch
from jsonargparse import ActionYesNo, ArgumentParser, Namespace
from jsonargparse.typing import PositiveInt
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.fabric.utilities.rank_zero import rank_zero_only
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback, ModelCheckpoint
from lightning.pytorch.cli import ArgsType, LightningArgumentParser, LightningCLI, SaveConfigCallback
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.utilities.exceptions import SIGTERMException

# Importing these rooms also lets a yaml name their classes by their short names.
import gbplan.callbacks  # noqa: F401
from gbplan.callbacks.configuration import differences, plain
from gbplan.data import TrajectoryDataModule, collect
from gbplan.data.writable import require_writable_folder
from gbplan.envs import Policy
from gbplan.evaluation import report, run_evaluation
from gbplan.modules import WorldModelModule, read_checkpoint, world_model_weights
from gbplan.networks import WorldModel
from gbplan.objectives import Objective
from gbplan.planners import Planner

# What bad input raises; anything else is a bug, and shows its traceback.
ERRORS = (ArgumentError, ValueError, TypeError, ImportError, OSError, gym.error.Error, MisconfigurationException)

COMMANDS: dict[str, Callable[..., Any]] = {"collect": collect, "evaluate": run_evaluation, "report": report}

# Arguments of `evaluate` that are objects. Added by themselves, they may be given by short name, as a yaml file of
# their own, or in --config; and what is wrong with one is said without the alternatives of an optional type.
PARTS: dict[str, tuple[type, str]] = {
    "world_model": (WorldModel, "A model that needs no training, instead of a checkpoint: PerfectDoorWallModel."),
    "policy": (Policy, "A policy that needs no planner: StraightLinePolicy, ConstantPolicy, ExpertPolicy, ..."),
    "planner": (Planner, "Finds the actions: GradientPlanner, CEMPlanner, ..., or a yaml file of one."),
    "objective": (Objective, "What the planner minimises; ReachGoal if not given."),
}


class GBPlanCLI(LightningCLI):
    """LightningCLI whose runs live in one folder, ``trainer.default_root_dir``: logs, checkpoints and config."""

    @staticmethod
    def subcommands() -> dict[str, set[str]]:
        """Lightning's subcommands that a world model has steps for."""
        stock = LightningCLI.subcommands()
        return {name: stock[name] for name in ("fit", "validate")}

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Add the checkpoint settings and the permission to overwrite a run."""
        parser.add_lightning_class_args(ModelCheckpoint, "checkpoint")
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
        parser.add_argument(
            "--num_threads", type=PositiveInt | None, help="CPU threads of torch; null: torch's choice."
        )

    def parse_arguments(self, parser: LightningArgumentParser, args: ArgsType) -> None:
        """Parse, and look at the checkpoint to resume from before Lightning takes the model's arguments from it."""
        super().parse_arguments(parser, args)
        config = self.config.get(str(self.config.get("subcommand")), self.config)
        path = config.get("ckpt_path")
        if self.config.get("subcommand") == "validate" and not path:
            raise ValueError("validate needs the model to validate; add --ckpt_path, e.g. runs/base/best.ckpt")
        if not path or path in ("best", "last", "hpc", "registry"):
            return
        world_model_weights(path)
        checkpoint = read_checkpoint(path)
        trained = checkpoint.get("hyper_parameters", {}).get("_class_path", "")
        asked = config["model"]["class_path"]
        if trained and trained.rsplit(".", 1)[-1] != asked.rsplit(".", 1)[-1]:
            raise ValueError(
                f"{path} was trained by {trained}, not by {asked}; go on with the config.yaml of its own run, or start "
                f"a new one from its weights with --model.init_from {path}"
            )
        if trained and self.config.get("subcommand") == "fit":
            changed = [
                *differences(
                    _deciding(checkpoint["hyper_parameters"]), _deciding(config["model"]["init_args"]), "model"
                ),
                *differences(_deciding(checkpoint["datamodule_hyper_parameters"]), _deciding(config["data"]), "data"),
            ]
            if "trainer_arguments" in checkpoint:
                changed += differences(checkpoint["trainer_arguments"], _training_arguments(config), "trainer")
            if changed:
                raise ValueError(
                    f"the run of {path} was begun with another configuration ({'; '.join(changed)}), so it cannot be "
                    f"resumed exactly; restore the old values, or begin a new run with --model.init_from {path}"
                )

    def before_instantiate_classes(self) -> None:
        """Set the number of threads."""
        num_threads = self.config.get(str(self.subcommand), self.config)["num_threads"]
        if num_threads is not None:
            torch.set_num_threads(num_threads)

    def instantiate_trainer(self, **kwargs: Any) -> Any:
        """Log to TensorBoard in the run's own folder if no other logger is asked for, and keep the last epoch there."""
        config = self._get(self.config_init, "trainer")
        root = config["default_root_dir"]
        if config["logger"] is None and not config["fast_dev_run"]:
            kwargs["logger"] = TensorBoardLogger(root, name="", version="", default_hp_metric=False)
        callbacks = [*(config["callbacks"] or [])]
        if self._get(self.config_init, "overwrite") and not self._get(self.config_init, "ckpt_path", default=None):
            callbacks.append(RemoveOldRun(root))
        kwargs["callbacks"] = callbacks
        trainer: Any = super().instantiate_trainer(**kwargs)
        if config["enable_checkpointing"] is not False:
            # Behind the checkpoint of the best epoch, whose state it saves: a resumed run must know the best so far.
            trainer.callbacks.append(LastCheckpoint(root))
        return trainer

    def before_fit(self) -> None:
        """Refuse to write over a run, or into a folder that cannot be written, before anything is computed."""
        config = self.config["fit"]
        if config["trainer"]["fast_dev_run"]:
            return
        root = Path(config["trainer"]["default_root_dir"])
        init_from = config["model"].get("init_args", {}).get("init_from")
        if init_from and not config["ckpt_path"]:
            world_model_weights(init_from)
        last = root / "last.ckpt"
        if last.exists() and not config["ckpt_path"] and not config["overwrite"]:
            raise FileExistsError(
                f"{root} already holds a run; resume it with --ckpt_path {last}, choose another folder with "
                "--trainer.default_root_dir, or replace it with --overwrite"
            )
        require_writable_folder(root)

    def fit(self, **arguments: Any) -> None:
        """Train; if stopped, say how to go on."""
        try:
            interruptible(self.trainer.fit, arguments)
        except SIGTERMException:
            raise SIGTERMException(self._how_to_go_on()) from None
        except KeyboardInterrupt:
            raise KeyboardInterrupt(self._how_to_go_on()) from None

    def validate(self, **arguments: Any) -> None:
        """Validate a model."""
        interruptible(self.trainer.validate, arguments)

    def _how_to_go_on(self) -> str:
        config = self.config["fit"]
        root = Path(config["trainer"]["default_root_dir"])
        # A last.ckpt from before this run's first epoch is of the run that is being overwritten.
        begun = config["ckpt_path"] or self.trainer.current_epoch > 0
        if not begun or not (root / "last.ckpt").exists():
            return "there is no checkpoint yet to go on from"
        return f"go on with: gbplan fit --config {root / 'config.yaml'} --ckpt_path {root / 'last.ckpt'}"

    def after_fit(self) -> None:
        """Say where the results are."""
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
            if monitor and not (root / "best.ckpt").exists():
                print(
                    f"no best.ckpt was kept: checkpoint.monitor = {monitor} was not logged at the end of an epoch "
                    f"that is a multiple of {config['checkpoint']['every_n_epochs'] or 1}; logged were "
                    f"{', '.join(sorted(self.trainer.callback_metrics)) or 'none'}"
                )


def interruptible(function: Callable[..., Any], arguments: dict[str, Any]) -> None:
    """Call a method of the Trainer, and raise the KeyboardInterrupt of which it makes an exit with 1."""
    try:
        function(**arguments)
    except SystemExit as stop:
        if isinstance(stop.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from None
        raise


# Arguments that may change from a run to its continuation: where things lie, and what is only looked at.
_UNDECIDING = {"init_from", "validation_horizons", "root", "num_workers", "may_differ"}


def _deciding(arguments: dict[str, Any] | Namespace) -> dict[str, Any]:
    """Return those arguments of a model or its data that the result of a run depends on."""
    named = arguments.as_dict() if isinstance(arguments, Namespace) else arguments
    return {name: plain(value) for name, value in named.items() if not name.startswith("_") and name not in _UNDECIDING}


def _training_arguments(config: Namespace) -> dict[str, Any]:
    """Return the arguments of the trainer that decide how weights change, but for devices."""
    names = (
        "accumulate_grad_batches",
        "gradient_clip_val",
        "gradient_clip_algorithm",
        "precision",
        "limit_train_batches",
        "overfit_batches",
        "reload_dataloaders_every_n_epochs",
    )
    return {name: plain(config["trainer"][name]) for name in names}


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
        names = ("events.out.tfevents*", "hparams.yaml", "best.ckpt", "last.ckpt")
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
        super().setup(trainer, pl_module, stage="fit")
        for logger in trainer.loggers if trainer.is_global_zero else ():
            if isinstance(logger, TensorBoardLogger):
                text = textwrap.indent(self.parser.dump(self.config, skip_none=False), "    ")  # markdown's code
                logger.experiment.add_text("config", text, trainer.global_step)

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Keep what a resumed run must have in common with this one, beside what Lightning keeps."""
        checkpoint["trainer_arguments"] = _training_arguments(self.config)


def add_overwrite(parser: ArgumentParser) -> None:
    """Add the flag that permits to replace what is there: ``--overwrite``, or ``--overwrite=true``."""
    parser.add_argument("--overwrite", action=ActionYesNo, nargs="?", default=False, help="Replace what is there.")


def build_parser() -> ArgumentParser:
    """Make the parser of the commands that need no Trainer; Lightning's own are listed for ``--help``."""
    parser = ArgumentParser(
        prog="gbplan",
        description="World models that a gradient-based planner can trust.",
        exit_on_error=False,
        allow_abbrev=False,
    )
    subcommands = parser.add_subcommands()
    for name, function in COMMANDS.items():
        command = ArgumentParser(exit_on_error=False, allow_abbrev=False)
        command.add_argument("--config", action="config", help="Read arguments from a yaml file; may be repeated.")
        parts = PARTS if function is run_evaluation else {}
        command.add_function_arguments(function, as_positional=function is report, skip={"overwrite", *parts})
        if function is not report:
            add_overwrite(command)
        for key, (base, meaning) in parts.items():
            command.add_subclass_arguments(base, key, required=False, help=meaning)
        subcommands.add_subcommand(name, command, help=(function.__doc__ or "").splitlines()[0])
    for name in GBPlanCLI.subcommands():
        subcommands.add_subcommand(name, ArgumentParser(), help=f"Lightning's Trainer.{name}.")
    return parser


def run(args: Sequence[str]) -> None:
    """Parse and run one command; errors are raised."""
    stock = GBPlanCLI.subcommands()
    if args and args[0] in stock:
        raising = {"exit_on_error": False, "allow_abbrev": False}  # a mistyped option is not another one
        GBPlanCLI(
            WorldModelModule,
            TrajectoryDataModule,
            subclass_mode_model=True,
            seed_everything_default=0,
            save_config_callback=SaveStartedConfig,
            save_config_kwargs={"overwrite": True},
            parser_kwargs={"prog": "gbplan", **raising, **dict.fromkeys(stock, raising)},
            args=list(args),
        )
        return
    parser = build_parser()
    config = parser.parse_args(list(args))
    arguments = parser.instantiate(config)[config.subcommand]
    arguments.pop("config", None)
    made = COMMANDS[config.subcommand](**arguments)
    if config.subcommand == "collect":
        root = f" --data.root {arguments['root']}" if arguments["root"] else ""
        named = f"--data.datasets [{arguments['dataset_id']}]{root}"
        print(f"the dataset is in {made}; train on it with `gbplan fit --config ... {named}`")


def main(args: Sequence[str] | None = None) -> None:
    """Run the ``gbplan`` command.

    Args:
        args: command line without the program's name; None takes it from ``sys.argv``.

    Exits with 2 and one line on bad input, with 1 and one line where memory or disk is full, with 130 when interrupted,
    with 141 when nobody reads on, and with 143 when terminated. ``GBPLAN_DEBUG=1`` shows the traceback.
    """
    # In-memory data needs no loader workers, and there is nothing a user could do about the others.
    warnings.filterwarnings("ignore", message=".*does not have many workers.*")
    warnings.filterwarnings("ignore", message=".*Checkpoint directory .* exists and is not empty.*")
    warnings.filterwarnings("ignore", message=".*treespec, LeafSpec")
    warnings.filterwarnings("ignore", message="LightningCLI's args parameter.*")
    logging.getLogger("lightning.pytorch.utilities.rank_zero").addFilter(is_about_this_run)
    given = sys.argv[1:] if args is None else args
    try:
        try:
            run(given)
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        # Whoever reads, `head` say, has seen enough. What is still to be written would fail again on leaving.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(141) from None
    except Exception as error:
        full = is_full(error)
        if os.environ.get("GBPLAN_DEBUG") or not (full or isinstance(error, ERRORS)):
            raise
        message = str(error) or type(error).__name__  # Python's MemoryError says nothing
        reason = missing_file(given) if isinstance(error, ArgumentError) else None
        print(f"gbplan: error: {reason or one_line(message) + _known_classes(message)}", file=sys.stderr)
        raise SystemExit(1 if full else 2) from None
    except KeyboardInterrupt as interrupt:
        print(f"gbplan: interrupted; {interrupt}".removesuffix("; "), file=sys.stderr)
        raise SystemExit(130) from None
    except SIGTERMException as end:  # of itself it would leave with 0, and a makefile take the training for complete
        print(f"gbplan: terminated; {end}".removesuffix("; "), file=sys.stderr)
        raise SystemExit(143) from None


def is_about_this_run(record: logging.LogRecord) -> bool:
    """Tell Lightning's messages from its advertising, and from its list of devices that are not there."""
    return not record.getMessage().startswith(("💡 Tip", "GPU available", "TPU available"))


def is_full(error: Exception) -> bool:
    """Tell a machine at the end of its memory or disk from bad input."""
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    # On the CPU torch raises a plain RuntimeError.
    return isinstance(error, (MemoryError, torch.OutOfMemoryError)) or "can't allocate memory" in str(error)


def missing_file(args: Sequence[str]) -> str | None:
    """Name the yaml file of a command line that is not there; jsonargparse takes its name for that of a class."""
    for argument in args:
        path = argument.rpartition("=")[2]
        if path.endswith((".yaml", ".yml")) and not Path(path).exists():
            return f"there is no file {path} (looked for in {Path.cwd()})"
    return None


def _known_classes(message: str) -> str:
    """List what could have been meant by a class name that is none."""
    unknown = re.search(r'Parser key "(\w+)".*Expected a dot import path string', message, flags=re.DOTALL)
    if unknown is None or unknown[1] not in PARTS:
        return ""
    return f"; known are {', '.join(sorted(_subclasses(PARTS[unknown[1]][0])))}, or give the full path of your own"


def _subclasses(base: type) -> set[str]:
    own = {base.__name__} if base.__module__.startswith("gbplan.") and not inspect.isabstract(base) else set()
    children: list[type] = base.__subclasses__()
    return own.union(*map(_subclasses, children))


def one_line(message: str) -> str:
    """Condense a message; jsonargparse lists every alternative of an optional type, of which one is to the point."""
    noise = ("Does not validate", "- Does not validate", "Subtypes:", "Errors:", "- Expected a <class 'NoneType'>")
    lines = [line.strip() for line in message.splitlines()]
    kept = [line for line in lines if line and not line.startswith((*noise, "Given value", "- Expected a path but"))]
    condensed = " ".join(line.removeprefix("- ") for line in kept)
    return re.sub(
        r"""Parser key "([\w.]+)": Expected a <class '[\w.]*(?:Sequence|list)'>\. Got value: (\S+)$""",
        r"--\1 takes a list: write '[\2]'",
        condensed,
    )
