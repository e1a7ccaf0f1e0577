"""``gbplan/FetchPush-v0``: a robot pushes a cube across a table. Importing this package registers it.

MuJoCo, an extra (``gbplan[mujoco]``), is imported when an environment is made.
"""

import gymnasium as gym

from gbplan.envs.fetch_push.env import FetchPushEnv
from gbplan.envs.fetch_push.expert import FetchPushExpert
from gbplan.envs.fetch_push.pusher import FetchPusherPolicy
from gbplan.envs.fetch_push.vector import FetchPushVectorEnv
from gbplan.envs.fetch_push.world import ENV_ID

__all__ = ["FetchPushEnv", "FetchPushExpert", "FetchPushVectorEnv", "FetchPusherPolicy"]

gym.register(
    id=ENV_ID,
    entry_point="gbplan.envs.fetch_push.env:FetchPushEnv",
    vector_entry_point="gbplan.envs.fetch_push.vector:FetchPushVectorEnv",
    max_episode_steps=50,
)
