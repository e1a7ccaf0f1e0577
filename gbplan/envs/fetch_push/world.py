"""The rules of ``gbplan/FetchPush-v0``, one record for both forms of the environment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import gymnasium as gym
import numpy as np

from gbplan import checks
from gbplan.envs import arguments
from gbplan.envs.fetch_push import states

ENV_ID = "gbplan/FetchPush-v0"

Task = Literal["uniform", "far"]
Reward = Literal["sparse", "dense"]


@dataclass(frozen=True, kw_only=True)
class World:
    """The constructor arguments, checked; see `FetchPushEnv`.

    Raises:
        ValueError: an argument is outside its range.
        TypeError: an argument is of the wrong type.
    """

    task: Task = "uniform"
    reward_type: Reward = "sparse"
    goal_threshold: float = 0.05
    continuing_task: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "goal_threshold", arguments.number("goal_threshold", self.goal_threshold))
        object.__setattr__(self, "continuing_task", arguments.flag("continuing_task", self.continuing_task))
        checks.one_of(Task, task=self.task)
        checks.one_of(Reward, reward_type=self.reward_type)
        if not 0.005 <= self.goal_threshold <= 0.1:
            raise ValueError(f"goal_threshold must lie in 0.005..0.1, got {self.goal_threshold}")

    def observation_space(self) -> gym.spaces.Dict:
        """Return the space of the goal-conditioned observation."""
        cube = states.LOW[states.CUBE], states.HIGH[states.CUBE]
        return gym.spaces.Dict(
            observation=gym.spaces.Box(states.LOW, states.HIGH, dtype=np.float32),
            features=gym.spaces.Box(-states.FEATURES_LIMIT, states.FEATURES_LIMIT, dtype=np.float32),
            achieved_goal=gym.spaces.Box(*cube, dtype=np.float32),
            desired_goal=gym.spaces.Box(*cube, dtype=np.float32),
        )

    def action_space(self) -> gym.spaces.Box:
        """Return the space of the action."""
        return gym.spaces.Box(-1.0, 1.0, (4,), np.float32)
