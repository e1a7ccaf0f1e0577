"""The rules of ``gbplan/Granular-v0``: one record for the environment, its tasks and its expert."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import gymnasium as gym
import numpy as np

from gbplan import checks
from gbplan.envs import arguments
from gbplan.envs.granular import states

ENV_ID = "gbplan/Granular-v0"

RANGES = {"friction": (0.0, 10.0), "damping": (0.0, 0.1), "goal_threshold": (0.002, 0.1), "segment_steps": (1, 50)}

Task = Literal["segment", "shape"]
Reward = Literal["sparse", "dense"]


@dataclass(frozen=True, kw_only=True)
class World:
    """The constructor arguments, checked; see `GranularEnv`.

    Raises:
        ValueError: an argument is outside its range.
        TypeError: an argument is of the wrong type.
    """

    friction: float = 0.5
    damping: float = 0.0
    task: Task = "segment"
    segment_steps: int = 3
    reward_type: Reward = "sparse"
    goal_threshold: float = 0.015
    continuing_task: bool = False

    def __post_init__(self) -> None:
        for name in ("friction", "damping", "goal_threshold"):
            object.__setattr__(self, name, arguments.number(name, getattr(self, name)))
        object.__setattr__(self, "segment_steps", arguments.whole_number("segment_steps", self.segment_steps))
        object.__setattr__(self, "continuing_task", arguments.flag("continuing_task", self.continuing_task))
        checks.one_of(Task, task=self.task)
        checks.one_of(Reward, reward_type=self.reward_type)
        for name, (low, high) in RANGES.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise ValueError(f"{name} must lie in {low:g}..{high:g}, got {value}")

    @property
    def steps_of_segments(self) -> int:
        """Number of pushes from start to goal of a segment."""
        return self.segment_steps

    def observation_space(self) -> gym.spaces.Dict:
        """Return the space of the goal-conditioned observation."""
        places = gym.spaces.Box(-states.FIELD, states.FIELD, (states.SIZE,), np.float32)
        return gym.spaces.Dict(observation=places, achieved_goal=places, desired_goal=places)

    def action_space(self) -> gym.spaces.Box:
        """Return the space of the action."""
        return gym.spaces.Box(-1.0, 1.0, (4,), np.float32)
