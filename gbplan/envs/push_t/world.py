"""The rules of PushT, one record for the environment, its tasks and its expert."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import gymnasium as gym
import numpy as np

from gbplan import checks
from gbplan.envs import arguments
from gbplan.envs.push_t import states

ENV_ID = "gbplan/PushT-v0"

NEAR = 20.0  # px
ALIGNED = np.pi / 9

MAX_FRICTION = 10.0
SEGMENT_STEPS = (5, 500)

Success = Literal["both", "block"]
Task = Literal["segment", "pose"]
Reward = Literal["sparse", "dense"]


@dataclass(frozen=True, kw_only=True)
class World:
    """The constructor arguments of ``gbplan/PushT-v0``, checked; see `PushTEnv`.

    Raises:
        ValueError: an argument is outside its range.
        TypeError: a number is not a number.
    """

    friction: float = 0.0
    damping: float = 0.0
    success: Success = "both"
    task: Task = "segment"
    segment_steps: int = 25
    reward_type: Reward = "sparse"
    continuing_task: bool = False

    def __post_init__(self) -> None:
        for name in ("friction", "damping"):
            object.__setattr__(self, name, arguments.number(name, getattr(self, name)))
        object.__setattr__(self, "segment_steps", arguments.whole_number("segment_steps", self.segment_steps))
        object.__setattr__(self, "continuing_task", arguments.flag("continuing_task", self.continuing_task))
        checks.one_of(Success, success=self.success)
        checks.one_of(Task, task=self.task)
        checks.one_of(Reward, reward_type=self.reward_type)
        checks.share(damping=self.damping)
        if not 0.0 <= self.friction <= MAX_FRICTION:
            raise ValueError(f"friction must lie in 0..{MAX_FRICTION:g}, got {self.friction}")
        fewest, most = SEGMENT_STEPS
        if not fewest <= self.segment_steps <= most:
            raise ValueError(f"segment_steps must lie in {fewest}..{most}, got {self.segment_steps}")

    def observation_space(self) -> gym.spaces.Dict:
        """Return the space of the goal-conditioned observation."""
        part = states.goal_part(self.success)
        return gym.spaces.Dict(
            observation=gym.spaces.Box(states.LOW, states.HIGH, dtype=np.float32),
            achieved_goal=gym.spaces.Box(states.LOW[part], states.HIGH[part], dtype=np.float32),
            desired_goal=gym.spaces.Box(states.LOW[part], states.HIGH[part], dtype=np.float32),
        )

    def action_space(self) -> gym.spaces.Box:
        """Return the space of the action."""
        return gym.spaces.Box(-1.0, 1.0, (2,), np.float32)
