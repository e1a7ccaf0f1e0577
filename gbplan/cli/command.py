"""Parses and runs a command.

Only imports that every command needs are here. The others take seconds: each command imports its own, after a first
look has found no error in the arguments.
"""

import atexit
import gc
import logging
import os
import sys
import threading
import warnings
from argparse import ArgumentError
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from typing import Any

import gymnasium as gym
from jsonargparse import ActionYesNo, ArgumentParser

import gbplan
from gbplan.cli.errors import (
    base_missing,
    disk_behind,
    is_environments_own,
    is_full,
    loaded_class,
    missing_file,
    naming_files,
    one_line,
    option_meant,
    quiet_in_threads,
    type_missing,
    unknown_class,
)
from gbplan.cli.first_look import require_plausible
from gbplan.cli.keeping import AlreadyDoneError, add_keep, recipe_of

# Errors of bad input, beside Lightning's MisconfigurationException; any other is a bug, and shows its traceback.
ERRORS = (ArgumentError, ValueError, TypeError, ImportError, OSError, gym.error.Error)

# The help of each command.
COMMANDS = {
    "collect": "Run a policy in an environment and write its episodes as a Minari dataset.",
    "demo": "Plan eight tasks through two shipped models, and write what they imagine and what happens as a GIF.",
    "evaluate": "Evaluate a trained model with a planner, or a policy, on fixed held-out tasks.",
    "report": "Print the results in a folder as a table (markdown), one row per result and task kind.",
    "fit": "Train a world model: Lightning's Trainer.fit.",
    "validate": "Validate a world model: Lightning's Trainer.validate.",
}
# Commands that call a function, whose parameters are their arguments.
FUNCTIONS = {
    "collect": "gbplan.data.collect:collect",
    "demo": "gbplan.cli.demo:demo",
    "evaluate": "gbplan.evaluation.run:run_evaluation",
    "report": "gbplan.report.table:report",
}
KEPT = ("collect", "evaluate", "report")  # those that write a recipe beside their products


def build_parser(*commands: str) -> ArgumentParser:
    """Make the parser of ``gbplan``.

    Args:
        commands: which of collect, demo, evaluate and report get all their arguments; the others, and Lightning's own,
            only get their line in ``gbplan --help``.
    """
    parser = ArgumentParser(
        prog="gbplan",
        description="World models that a gradient-based planner can trust.",
        version=gbplan.__version__,
        exit_on_error=False,
        allow_abbrev=False,
    )
    subcommands = parser.add_subcommands()
    for name, meaning in COMMANDS.items():
        command = ArgumentParser(exit_on_error=False, allow_abbrev=False)
        if name in commands:
            _add_arguments(command, name)
        subcommands.add_subcommand(name, command, help=meaning)
    return parser


def _add_arguments(command: ArgumentParser, name: str) -> None:
    """Add the arguments of the function behind a command."""
    command.add_argument("--config", action="config", help="Read arguments from a yaml file; may be repeated.")
    # As an argument of its own, a policy can be given by short name, as a yaml file, or in --config; and its errors do
    # not list the alternatives of an optional type.
    skip: set[str | int] = {"overwrite", "policy"} if name == "evaluate" else {"overwrite"}
    command.add_function_arguments(_function(name), as_positional=name == "report", skip=skip, sub_configs=True)
    if name == "report":
        add_overwrite(command, "Replace also files that this command has not made; it always replaces its own files.")
    else:
        add_overwrite(command)
    if name in KEPT:
        add_keep(command)
    if name == "evaluate":
        from gbplan.envs import Policy

        what = "A policy that needs no model: StraightLinePolicy, ConstantPolicy, ExpertPolicy, ..."
        command.add_subclass_arguments(Policy, "policy", required=False, help=what)


def add_overwrite(parser: ArgumentParser, meaning: str = "Replace existing results.") -> None:
    """Add the flag that permits replacing existing output: ``--overwrite``, or ``--overwrite=true``."""
    parser.add_argument("--overwrite", action=ActionYesNo, nargs="?", default=False, help=meaning)


def _function(name: str) -> Callable[..., Any]:
    module, _, function = FUNCTIONS[name].partition(":")
    with rarely_collecting():
        if name in ("collect", "evaluate"):  # commands with classes to choose
            import_module("gbplan.policies")  # a yaml may name its classes by their short names
        return getattr(import_module(module), function)


@contextmanager
def rarely_collecting() -> Iterator[None]:
    """Import without garbage collection, which would be a sixth of the time; imports make no garbage."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def run(args: Sequence[str]) -> None:
    """Parse and run one command; errors are raised."""
    name, *rest = args or [""]
    if name in COMMANDS:
        require_plausible(name, rest)
    if name in COMMANDS and name not in FUNCTIONS:
        with rarely_collecting():
            from gbplan.cli.lightning_cli import run_trainer
        run_trainer(args)
        return
    parser = build_parser(name)
    with naming_files(rest):
        config = parser.parse_args(list(args))
    given = config[config.subcommand]
    keep, recipe = given.pop("keep", False), None
    if keep or config.subcommand in ("collect", "evaluate"):
        recipe = recipe_of(config.subcommand, given.as_dict())
        if keep and config.subcommand == "report":
            with suppress(FileExistsError):  # a printed table is always made again
                recipe.state()
        elif keep:
            given["overwrite"] |= recipe.state(given["overwrite"]) != "absent"
    with naming_files(rest):
        arguments = parser.instantiate(config)[config.subcommand]
    arguments.pop("config", None)
    made = _function(config.subcommand)(**arguments)
    if recipe is not None and made is not False:  # one of several evaluating processes writes
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
    with 141 when the reader of its output is gone, with 143 when terminated. ``GBPLAN_DEBUG=1`` shows the traceback.
    """
    # In-memory data need no loader workers, and users can do nothing about the other warnings.
    warnings.filterwarnings("ignore", message=".*does not have many workers.*")
    warnings.filterwarnings("ignore", message=".*Checkpoint directory .* exists and is not empty.*")
    warnings.filterwarnings("ignore", message=".*treespec, LeafSpec")
    warnings.filterwarnings("ignore", message="LightningCLI's args parameter.*")
    logging.getLogger("lightning.pytorch.utilities.rank_zero").addFilter(is_about_this_run)
    threading.excepthook = quiet_in_threads
    given = sys.argv[1:] if args is None else args
    try:
        try:
            run(given)
        except AlreadyDoneError as done:
            print(done)
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        # The reader, for example `head`, has closed the pipe. Writing the rest would fail again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(141) from None
    except Exception as error:
        error = disk_behind(error)
        full = is_full(error)
        misconfigured = loaded_class("lightning.fabric.utilities.exceptions", "MisconfigurationException")
        bad_input = isinstance(error, (*ERRORS, misconfigured)) and not is_environments_own(error)
        if os.environ.get("GBPLAN_DEBUG") or not (full or bad_input):
            raise
        message = str(error) or type(error).__name__  # Python's MemoryError has no message
        reason = missing_file(given) if isinstance(error, ArgumentError) else None
        if reason is None:
            named = unknown_class(message) or base_missing(message) or type_missing(message)
            reason = named or one_line(message) + option_meant(message)
        print(f"gbplan: error: {reason}", file=sys.stderr)
        raise SystemExit(1 if full else 2) from None
    except KeyboardInterrupt as interrupt:
        atexit.register(gc.freeze)  # else Python collects garbage in all of torch at exit: one second, many under load
        print(f"gbplan: interrupted; {interrupt}".removesuffix("; "), file=sys.stderr)
        raise SystemExit(130) from None
    except SystemExit as end:
        if not isinstance(end, loaded_class("lightning.pytorch.utilities.exceptions", "SIGTERMException")):
            raise
        atexit.register(gc.freeze)
        # Lightning would exit with 0, and a makefile would take the training for complete.
        print(f"gbplan: terminated; {end}".removesuffix("; "), file=sys.stderr)
        raise SystemExit(143) from None


def is_about_this_run(record: logging.LogRecord) -> bool:
    """Filter out Lightning's advertising, and its list of absent devices."""
    return not record.getMessage().startswith(("💡 Tip", "GPU available", "TPU available"))
