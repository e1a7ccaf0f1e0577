"""Parsing and running a command."""

import logging
import os
import sys
import warnings
from argparse import ArgumentError
from collections.abc import Callable, Sequence
from typing import Any

import gymnasium as gym
from jsonargparse import ArgumentParser
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.utilities.exceptions import SIGTERMException

# Importing these rooms also lets a yaml name their classes by their short names.
import gbplan.callbacks
from gbplan.cli.errors import is_full, known_classes, missing_file, one_line
from gbplan.cli.keeping import AlreadyDoneError, add_keep, recipe_of
from gbplan.cli.lightning_cli import GBPlanCLI, add_overwrite
from gbplan.cli.run_files import SaveStartedConfig
from gbplan.data import TrajectoryDataModule, collect
from gbplan.envs import Policy
from gbplan.evaluation import run_evaluation
from gbplan.modules import WorldModelModule
from gbplan.objectives import Objective
from gbplan.planners import Planner
from gbplan.report import report

# What bad input raises; anything else is a bug, and shows its traceback.
ERRORS = (ArgumentError, ValueError, TypeError, ImportError, OSError, gym.error.Error, MisconfigurationException)

COMMANDS: dict[str, Callable[..., Any]] = {"collect": collect, "evaluate": run_evaluation, "report": report}

# Arguments of `evaluate` that are objects. Added by themselves, they may be given by short name, as a yaml file of
# their own, or in --config; and what is wrong with one is said without the alternatives of an optional type.
PARTS: dict[str, tuple[type, str]] = {
    "policy": (Policy, "A policy that needs no model: StraightLinePolicy, ConstantPolicy, ExpertPolicy, ..."),
}
# What may be named by a class, for messages about a name that is none.
NAMED = {name: base for name, (base, _) in PARTS.items()} | {"planner": Planner, "objective": Objective}


def build_parser() -> ArgumentParser:
    """Make the parser of the commands that need no Trainer; Lightning's own are listed for ``--help``."""
    parser = ArgumentParser(
        prog="gbplan",
        description="World models that a gradient-based planner can trust.",
        version=gbplan.__version__,
        exit_on_error=False,
        allow_abbrev=False,
    )
    subcommands = parser.add_subcommands()
    for name, function in COMMANDS.items():
        command = ArgumentParser(exit_on_error=False, allow_abbrev=False)
        command.add_argument("--config", action="config", help="Read arguments from a yaml file; may be repeated.")
        parts = PARTS if function is run_evaluation else {}
        command.add_function_arguments(
            function, as_positional=function is report, skip={"overwrite", *parts}, sub_configs=True
        )
        if function is not report:
            add_overwrite(command)
        add_keep(command)
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
    given = config[config.subcommand]
    keep, recipe = given.pop("keep"), None
    if keep or config.subcommand != "report":
        recipe = recipe_of(config.subcommand, given.as_dict())
        if keep and recipe.begun(overwrite=given.get("overwrite", True)) and "overwrite" in given:
            given["overwrite"] = True
    arguments = parser.instantiate(config)[config.subcommand]
    arguments.pop("config", None)
    made = COMMANDS[config.subcommand](**arguments)
    if recipe is not None and made is not False:  # of several processes that evaluate one writes
        recipe.write(complete=True)
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
        except AlreadyDoneError as done:
            print(done)
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
        if reason is None:
            reason = one_line(message) + known_classes(message, NAMED)
        print(f"gbplan: error: {reason}", file=sys.stderr)
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
