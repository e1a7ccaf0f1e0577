"""The rules of ``gbplan/PointMaze-v0``, one record for both forms of the environment and for the expert."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import gymnasium as gym
import numpy as np

from gbplan import checks
from gbplan.envs import arguments
from gbplan.envs.point_maze.maze import Maze, maze_of

ENV_ID = "gbplan/PointMaze-v0"
MAX_SPEED = 5.0  # per axis, u/s

MazeName = Literal["umaze", "medium", "large"]
Task = Literal["uniform", "detour"]
RewardType = Literal["sparse", "dense"]


@dataclass(frozen=True, kw_only=True)
class World:
    """The constructor arguments, checked; see `PointMazeEnv`.

    Raises:
        ValueError: an argument is outside its range.
        TypeError: an argument is of the wrong type.
    """

    maze: str = "umaze"
    task: str = "uniform"
    frame_skip: int = 5
    start_speed: float = MAX_SPEED
    reward_type: str = "sparse"
    goal_threshold: float = 0.45
    continuing_task: bool = False

    def __post_init__(self) -> None:
        checks.one_of(MazeName, maze=self.maze)
        checks.one_of(Task, task=self.task)
        checks.one_of(RewardType, reward_type=self.reward_type)
        arguments.flag("continuing_task", self.continuing_task)
        for name in ("start_speed", "goal_threshold"):
            arguments.number(name, getattr(self, name))
        arguments.whole_number("frame_skip", self.frame_skip)
        if not 1 <= self.frame_skip <= 10:
            raise ValueError(f"frame_skip must lie in 1..10, got {self.frame_skip}")
        if not 0.0 <= self.start_speed <= MAX_SPEED:
            raise ValueError(f"start_speed must lie in 0..{MAX_SPEED:g}, got {self.start_speed}")
        if not 0.01 <= self.goal_threshold <= 1.0:
            raise ValueError(f"goal_threshold must lie in 0.01..1, got {self.goal_threshold}")

    @property
    def geometry(self) -> Maze:
        """Cells and walls of the maze."""
        return maze_of(self.maze)

    def observation_space(self) -> gym.spaces.Dict:
        """Return the space of one agent's goal-conditioned observation."""
        place = self.geometry.half_size.astype(np.float32)
        state = np.append(place, [MAX_SPEED, MAX_SPEED]).astype(np.float32)
        return gym.spaces.Dict(
            observation=gym.spaces.Box(-state, state, dtype=np.float32),
            achieved_goal=gym.spaces.Box(-place, place, dtype=np.float32),
            desired_goal=gym.spaces.Box(-place, place, dtype=np.float32),
        )

    def action_space(self) -> gym.spaces.Box:
        """Return the space of one agent's action."""
        return gym.spaces.Box(-1.0, 1.0, (2,), np.float32)
