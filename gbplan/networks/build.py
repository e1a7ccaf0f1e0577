"""Builds world models from a description in plain data."""

from typing import Any

from jsonargparse import ArgumentParser

from gbplan.networks.world_model import WorldModel


def build_world_model(description: dict[str, Any]) -> WorldModel:
    """Make a world model, with fresh weights.

    Args:
        description: ``class_path`` and ``init_args``, with nested objects in the same form. Modules of these classes
            are imported, so check descriptions of unknown origin first.

    Raises:
        ArgumentError: the classes do not take these arguments.
    """
    parser = ArgumentParser(exit_on_error=False)
    parser.add_subclass_arguments(WorldModel, "world_model")
    made = parser.instantiate(parser.parse_object({"world_model": description}))
    model: WorldModel = made.world_model
    return model
