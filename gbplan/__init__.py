"""World models that a gradient-based planner can trust.

Importing the package registers its Gymnasium environments (``gbplan.envs``); ``gymnasium.make("gbplan:<id>")``
does so without an explicit import.
"""

from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import gbplan.envs as envs  # registers the environments; the environment modules themselves load on make()

__version__ = version("gbplan")
__all__ = ["__version__", "envs", "load_pretrained"]

if TYPE_CHECKING:
    from gbplan.networks.pretrained import load_pretrained


def __getattr__(name: str) -> Any:
    """Import modules that need torch only when they are used."""
    if name == "load_pretrained":
        from gbplan.networks.pretrained import load_pretrained

        return load_pretrained
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
