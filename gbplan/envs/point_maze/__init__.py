"""``gbplan/PointMaze-v0``: a ball is pushed through a maze to a goal. Importing this package registers it.

MuJoCo, an extra (``gbplan[mujoco]``), is imported when an environment is made.
"""

import gymnasium as gym

from gbplan.envs.point_maze.env import PointMazeEnv
from gbplan.envs.point_maze.expert import PointMazeExpert
from gbplan.envs.point_maze.vector import PointMazeVectorEnv
from gbplan.envs.point_maze.world import ENV_ID

__all__ = ["PointMazeEnv", "PointMazeExpert", "PointMazeVectorEnv"]

gym.register(
    id=ENV_ID,
    entry_point="gbplan.envs.point_maze.env:PointMazeEnv",
    vector_entry_point="gbplan.envs.point_maze.vector:PointMazeVectorEnv",
    max_episode_steps=200,
)
