"""``gbplan/PushT-v0``: a round agent pushes a T. Importing this package registers it.

``gbplan/PushTPixels-v0`` is the same world with pictures in its observations.
"""

import gymnasium as gym

from gbplan.envs.push_t.env import PushTEnv
from gbplan.envs.push_t.pusher import NoisyPusherPolicy
from gbplan.envs.push_t.vector import PushTVectorEnv
from gbplan.envs.push_t.world import ENV_ID
from gbplan.envs.segments import SegmentExpert

__all__ = ["NoisyPusherPolicy", "PushTEnv", "PushTVectorEnv", "SegmentExpert"]

gym.register(
    id=ENV_ID,
    entry_point="gbplan.envs.push_t.env:PushTEnv",
    vector_entry_point="gbplan.envs.push_t.vector:PushTVectorEnv",
    max_episode_steps=150,
)
gym.register(
    id="gbplan/PushTPixels-v0",
    entry_point="gbplan.envs.push_t.pixels:push_t_pixels",
    vector_entry_point="gbplan.envs.push_t.pixels:push_t_pixels_vector",
    max_episode_steps=150,
)
