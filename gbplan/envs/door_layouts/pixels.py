"""``gbplan/DoorLayoutsPixels-v0``: DoorLayouts with pictures in its observations."""

from typing import Any

from gbplan.envs.door_layouts.env import DoorLayoutsEnv
from gbplan.envs.door_layouts.vector import DoorLayoutsVectorEnv
from gbplan.envs.pixels import PixelObservation, PixelVectorObservation


def door_layouts_pixels(*, size: int = 64, channels_first: bool = False, **arguments: Any) -> PixelObservation:
    """Make the single environment; ``arguments`` are those of `DoorLayoutsEnv`."""
    return PixelObservation(DoorLayoutsEnv(**arguments), size, channels_first)


def door_layouts_pixels_vector(
    num_envs: int = 1, *, size: int = 64, channels_first: bool = False, **arguments: Any
) -> PixelVectorObservation:
    """Make the vector environment; ``arguments`` are those of `DoorLayoutsVectorEnv`."""
    return PixelVectorObservation(DoorLayoutsVectorEnv(num_envs, **arguments), size, channels_first)
