"""Gymnasium environments, their experts and their geometry. Needs numpy and gymnasium only.

Importing this package registers ``DoorWall-v0``.
"""

import gymnasium as gym

from gbplan.envs.attribute import env_attribute
from gbplan.envs.door_wall import DoorWallEnv
from gbplan.envs.door_wall_vector import DoorWallVectorEnv
from gbplan.envs.expert import DoorWallExpert
from gbplan.envs.policy import Observation, Policy
from gbplan.envs.random_walk import RandomWalkPolicy

__all__ = [
    "DoorWallEnv",
    "DoorWallExpert",
    "DoorWallVectorEnv",
    "Observation",
    "Policy",
    "RandomWalkPolicy",
    "env_attribute",
]

gym.register(
    id="DoorWall-v0",
    entry_point="gbplan.envs.door_wall:DoorWallEnv",
    vector_entry_point="gbplan.envs.door_wall_vector:DoorWallVectorEnv",
    max_episode_steps=100,
)
