"""``gbplan/PushTPixels-v0``: PushT with pictures."""

from typing import Any

from gbplan.envs.pixels import PixelObservation, PixelVectorObservation
from gbplan.envs.push_t.env import PushTEnv
from gbplan.envs.push_t.vector import PushTVectorEnv


def push_t_pixels(*, size: int = 64, channels_first: bool = False, **arguments: Any) -> PixelObservation:
    """Make the single environment; ``arguments`` are those of `PushTEnv`."""
    return PixelObservation(PushTEnv(**arguments), size, channels_first)


def push_t_pixels_vector(
    num_envs: int = 1, *, size: int = 64, channels_first: bool = False, **arguments: Any
) -> PixelVectorObservation:
    """Make the vector environment; ``arguments`` are those of `PushTVectorEnv`."""
    return PixelVectorObservation(PushTVectorEnv(num_envs, **arguments), size, channels_first)
