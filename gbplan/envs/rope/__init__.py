"""``gbplan/Rope-v0``: push a rope on a table into a shape. Importing this package registers the environment.

MuJoCo (the extra ``gbplan[mujoco]``) is imported only when an environment is made.
"""

import gymnasium as gym

from gbplan.envs.rope.env import RopeEnv
from gbplan.envs.rope.pusher import RopePusherPolicy
from gbplan.envs.rope.vector import RopeVectorEnv
from gbplan.envs.rope.world import ENV_ID

__all__ = ["RopeEnv", "RopePusherPolicy", "RopeVectorEnv"]

gym.register(
    id=ENV_ID,
    entry_point="gbplan.envs.rope.env:RopeEnv",
    vector_entry_point="gbplan.envs.rope.vector:RopeVectorEnv",
    max_episode_steps=20,
)
