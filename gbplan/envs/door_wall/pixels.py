"""``DoorWallPixels-v0``: DoorWall-v0 with pictures."""

from typing import Any

from gbplan.envs.door_wall.env import DoorWallEnv
from gbplan.envs.door_wall.vector import DoorWallVectorEnv
from gbplan.envs.pixels import PixelObservation, PixelVectorObservation


def door_wall_pixels(*, size: int = 64, channels_first: bool = False, **arguments: Any) -> PixelObservation:
    """Make the single environment; ``arguments`` are those of `DoorWallEnv`."""
    return PixelObservation(DoorWallEnv(**arguments), size, channels_first)


def door_wall_pixels_vector(
    num_envs: int = 1, *, size: int = 64, channels_first: bool = False, **arguments: Any
) -> PixelVectorObservation:
    """Make the vector environment; ``arguments`` are those of `DoorWallVectorEnv`."""
    return PixelVectorObservation(DoorWallVectorEnv(num_envs, **arguments), size, channels_first)
