"""``gbplan/Granular-v0``: push discs on a table into a shape, on pymunk. Importing this package registers it."""

import gymnasium as gym

from gbplan.envs.granular.env import GranularEnv
from gbplan.envs.granular.pusher import GranularPusherPolicy
from gbplan.envs.granular.vector import GranularVectorEnv
from gbplan.envs.granular.world import ENV_ID

__all__ = ["GranularEnv", "GranularPusherPolicy", "GranularVectorEnv"]

gym.register(
    id=ENV_ID,
    entry_point="gbplan.envs.granular.env:GranularEnv",
    vector_entry_point="gbplan.envs.granular.vector:GranularVectorEnv",
    max_episode_steps=20,
)
