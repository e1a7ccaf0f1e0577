"""World models that a gradient-based planner can trust.

Importing the package registers its Gymnasium environments (``gbplan.envs``); ``gymnasium.make("gbplan:<id>")``
does so without an explicit import.
"""

from importlib.metadata import version

import gbplan.envs as envs  # registers the environments; the environment modules themselves load on make()

__version__ = version("gbplan")
__all__ = ["__version__", "envs"]
