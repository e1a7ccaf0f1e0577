"""The ``gbplan`` command: Lightning's subcommands, and ``collect``, ``demo``, ``evaluate`` and ``report``."""

from typing import TYPE_CHECKING, Any

from gbplan.cli import yaml_guard as yaml_guard  # before any yaml is read
from gbplan.cli.command import build_parser, main, run

if TYPE_CHECKING:
    from gbplan.cli.lightning_cli import GBPlanCLI

__all__ = ["GBPlanCLI", "build_parser", "main", "run"]


def __getattr__(name: str) -> Any:
    """Import modules that need Lightning only when used: ``gbplan --help`` and ``gbplan report`` do without."""
    if name != "GBPlanCLI":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from gbplan.cli.lightning_cli import GBPlanCLI

    return GBPlanCLI
