"""The ``gbplan`` command: Lightning's subcommands, and ``collect``, ``evaluate`` and ``report`` beside them."""

from gbplan.cli import yaml_guard as yaml_guard  # before any yaml is read
from gbplan.cli.command import build_parser, main, run
from gbplan.cli.lightning_cli import GBPlanCLI

__all__ = ["GBPlanCLI", "build_parser", "main", "run"]
