"""What an environment offers beneath what is wrapped around it."""

from typing import Any

import gymnasium as gym


def env_attribute(envs: gym.vector.VectorEnv, name: str) -> Any:
    """Look up an attribute of a vector environment, or of the first of the single ones it is made of.

    Args:
        envs: native, or Gymnasium's SyncVectorEnv, whose rows are all alike; wrapped or not.
        name: of the attribute or method.

    Returns:
        The attribute; None if there is none.
    """
    base = envs.unwrapped
    if not isinstance(base, gym.vector.SyncVectorEnv):
        return getattr(base, name, None)
    row = base.envs[0]
    return row.get_wrapper_attr(name) if row.has_wrapper_attr(name) else None
