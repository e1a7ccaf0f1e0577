"""``DoorWall-v0``: a point agent must pass a door in a wall. Importing this package registers it.

``DoorWallPixels-v0`` is the same world with pictures in its observations.
"""

import gymnasium as gym

from gbplan.envs.door_wall.env import DoorWallEnv
from gbplan.envs.door_wall.expert import DoorWallExpert
from gbplan.envs.door_wall.vector import DoorWallVectorEnv

__all__ = ["DoorWallEnv", "DoorWallExpert", "DoorWallVectorEnv"]

gym.register(
    id="DoorWall-v0",
    entry_point="gbplan.envs.door_wall.env:DoorWallEnv",
    vector_entry_point="gbplan.envs.door_wall.vector:DoorWallVectorEnv",
    max_episode_steps=100,
)
gym.register(
    id="DoorWallPixels-v0",
    entry_point="gbplan.envs.door_wall.pixels:door_wall_pixels",
    vector_entry_point="gbplan.envs.door_wall.pixels:door_wall_pixels_vector",
    max_episode_steps=100,
)
