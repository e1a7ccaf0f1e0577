"""The rules of ``gbplan/Rope-v0``: one record for the environment, its tasks and its expert."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import gymnasium as gym
import numpy as np

from gbplan import checks
from gbplan.envs import arguments
from gbplan.envs.rope import states

ENV_ID = "gbplan/Rope-v0"

SEGMENT_STEPS = (1, 200)

Action = Literal["push", "small"]
Task = Literal["segment", "shape"]
Reward = Literal["sparse", "dense"]


@dataclass(frozen=True, kw_only=True)
class World:
    """The constructor arguments, checked; see `RopeEnv`.

    Raises:
        ValueError: an argument is outside its range.
        TypeError: an argument is of the wrong type.
    """

    action: Action = "push"
    task: Task = "segment"
    segment_steps: int | None = None
    reward_type: Reward = "sparse"
    goal_threshold: float = 0.02
    continuing_task: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "goal_threshold", arguments.number("goal_threshold", self.goal_threshold))
        object.__setattr__(self, "continuing_task", arguments.flag("continuing_task", self.continuing_task))
        checks.one_of(Action, action=self.action)
        checks.one_of(Task, task=self.task)
        checks.one_of(Reward, reward_type=self.reward_type)
        if not 0.002 <= self.goal_threshold <= 0.1:
            raise ValueError(f"goal_threshold must lie in 0.002..0.1, got {self.goal_threshold}")
        if self.segment_steps is not None:
            object.__setattr__(self, "segment_steps", arguments.whole_number("segment_steps", self.segment_steps))
            fewest, most = SEGMENT_STEPS
            if not fewest <= self.segment_steps <= most:
                raise ValueError(f"segment_steps must lie in {fewest}..{most}, got {self.segment_steps}")

    @property
    def steps_of_segments(self) -> int:
        """Number of steps from start to goal of a segment."""
        return self.segment_steps or (3 if self.action == "push" else 50)

    def observation_space(self) -> gym.spaces.Dict:
        """Return the space of the goal-conditioned observation."""
        nodes = np.full(states.GOAL_SIZE, states.FIELD, np.float32)
        features = nodes if self.action == "push" else np.full(states.GOAL_SIZE + 2, states.FIELD, np.float32)
        return gym.spaces.Dict(
            observation=gym.spaces.Box(states.LOW, states.HIGH, dtype=np.float32),
            features=gym.spaces.Box(-features, features, dtype=np.float32),
            achieved_goal=gym.spaces.Box(-nodes, nodes, dtype=np.float32),
            desired_goal=gym.spaces.Box(-nodes, nodes, dtype=np.float32),
        )

    def action_space(self) -> gym.spaces.Box:
        """Return the space of the action."""
        return gym.spaces.Box(-1.0, 1.0, (4 if self.action == "push" else 2,), np.float32)
