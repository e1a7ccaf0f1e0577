"""The action box of an environment."""

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray


def action_bounds(envs: gym.vector.VectorEnv) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Lower and upper bounds of one row's action, ``(A,)`` each.

    Raises:
        TypeError: the actions are not a vector of real numbers.
        ValueError: a bound is infinite.
    """
    space = envs.single_action_space
    if not isinstance(space, gym.spaces.Box) or len(space.shape) != 1 or not np.issubdtype(space.dtype, np.floating):
        raise TypeError(
            f"a continuous action vector is needed, Box of shape (A,), got {space}; "
            "discrete or structured actions need a wrapper that makes them one"
        )
    if not space.is_bounded():
        raise ValueError(f"actions must be bounded, got {space}; wrap the environment in gymnasium's RescaleAction")
    return space.low.astype(np.float32), space.high.astype(np.float32)
