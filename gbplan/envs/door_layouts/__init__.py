"""``gbplan/DoorLayouts-v0``: DoorWall with a new wall and door in every episode. Importing this registers it.

``gbplan/DoorLayoutsPixels-v0`` is the same environment with pictures in its observations.
"""

import gymnasium as gym

from gbplan.envs.door_layouts.env import DoorLayoutsEnv
from gbplan.envs.door_layouts.expert import DoorLayoutsExpert
from gbplan.envs.door_layouts.vector import DoorLayoutsVectorEnv
from gbplan.envs.door_layouts.world import ENV_ID

__all__ = ["DoorLayoutsEnv", "DoorLayoutsExpert", "DoorLayoutsVectorEnv"]

gym.register(
    id=ENV_ID,
    entry_point="gbplan.envs.door_layouts.env:DoorLayoutsEnv",
    vector_entry_point="gbplan.envs.door_layouts.vector:DoorLayoutsVectorEnv",
    max_episode_steps=100,
)
gym.register(
    id="gbplan/DoorLayoutsPixels-v0",
    entry_point="gbplan.envs.door_layouts.pixels:door_layouts_pixels",
    vector_entry_point="gbplan.envs.door_layouts.pixels:door_layouts_pixels_vector",
    max_episode_steps=100,
)
