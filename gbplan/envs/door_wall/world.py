"""The rules of DoorWall-v0, one record for both forms of the environment and for the expert."""

from __future__ import annotations

from dataclasses import dataclass, fields
from math import isfinite
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from gbplan.envs.door_wall.contact import HALF_SIZE, LIMIT

MIN_DOOR_HALF_WIDTH = 0.05
START_CLEARANCE = 0.3  # drawn starts and goals keep this distance from the wall
DETOUR_CROSSING_MARGIN = 0.1  # a detour task's straight line misses the door by more than this
DETOUR_GOAL_MARGIN = 0.2  # a detour task's goal lies further than this beyond the door's edge, in y

# Observation noise is cut at this many standard deviations, so that the observation space stays bounded.
NOISE_CUT = 6.0


@dataclass(frozen=True, kw_only=True)
class World:
    """The constructor arguments of ``DoorWall-v0``, checked; see `DoorWallEnv`.

    Raises:
        ValueError: an argument is outside its range, or the arguments do not fit together.
        TypeError: a number is not a number.
    """

    step_size: float = 0.1
    dynamics: str = "position"
    contact: str = "slide"
    door_center: float = 0.0
    door_half_width: float = 0.5
    process_noise: float = 0.0
    observation_noise: float = 0.0
    reward_type: str = "sparse"
    goal_threshold: float = 0.1
    continuing_task: bool = False
    task: str = "uniform"
    acceleration: float = 0.02
    damping: float = 0.1
    max_speed: float = 0.15

    @classmethod
    def from_arguments(cls, arguments: dict[str, Any]) -> World:
        """Make the world from an environment's keyword arguments.

        Raises:
            ValueError: an argument is outside its range, or the arguments do not fit together.
            TypeError: a number is not a number, or an argument is unknown.
        """
        known = [field.name for field in fields(cls)]
        for name in arguments:
            if name not in known:
                raise TypeError(f"DoorWall-v0 has no argument {name!r} (it has {', '.join(known)}, render_mode)")
        return cls(**arguments)

    def __post_init__(self) -> None:
        for field in fields(self):
            if field.type == "float":
                # Plain floats: numpy scalars would be ten times slower in the single environment.
                object.__setattr__(self, field.name, _number(field.name, getattr(self, field.name)))
        if not isinstance(self.continuing_task, bool | np.bool_):
            raise TypeError(f"continuing_task must be True or False, got {self.continuing_task!r}")
        object.__setattr__(self, "continuing_task", bool(self.continuing_task))
        _require_one_of("dynamics", self.dynamics, ("position", "velocity"))
        _require_one_of("contact", self.contact, ("slide", "stop"))
        _require_one_of("reward_type", self.reward_type, ("sparse", "dense"))
        _require_one_of("task", self.task, ("uniform", "detour"))
        for name in ("step_size", "acceleration", "max_speed"):
            if not 0.0 < getattr(self, name) <= 2 * HALF_SIZE:
                raise ValueError(f"{name} must be in (0, {2 * HALF_SIZE}], got {getattr(self, name)}")
        if not 0.0 <= self.damping <= 1.0:
            raise ValueError(f"damping must be in [0, 1], got {self.damping}")
        for name in ("process_noise", "observation_noise"):
            if not 0.0 <= getattr(self, name) <= HALF_SIZE:
                raise ValueError(
                    f"{name} is a standard deviation and must be in [0, {HALF_SIZE}], got {getattr(self, name)}"
                )
        # The upper limit keeps drawn tasks from beginning solved: start and goal lie on opposite sides of the wall.
        if not 0.01 <= self.goal_threshold < 2 * START_CLEARANCE:
            raise ValueError(
                f"goal_threshold must be in [0.01, {2 * START_CLEARANCE}), got {self.goal_threshold}; "
                f"start and goal are drawn at least {2 * START_CLEARANCE} apart"
            )
        self._require_a_door()

    def _require_a_door(self) -> None:
        if self.door_half_width < MIN_DOOR_HALF_WIDTH:
            raise ValueError(f"door_half_width must be at least {MIN_DOOR_HALF_WIDTH}, got {self.door_half_width}")
        if abs(self.door_center) + self.door_half_width > HALF_SIZE:
            raise ValueError(
                f"the door must lie within the borders y = -{HALF_SIZE} and {HALF_SIZE}, got "
                f"[{self.door_low}, {self.door_high}]; move door_center or lower door_half_width"
            )
        longest = max(self.door_low + LIMIT, LIMIT - self.door_high)
        if self.task == "detour" and longest < DETOUR_GOAL_MARGIN + 0.01:
            raise ValueError(
                f"task='detour' needs a stretch of wall longer than {DETOUR_GOAL_MARGIN + 0.01:g} beside the door, but "
                f"the door [{self.door_low}, {self.door_high}] leaves {longest:g}; narrow it or use task='uniform'"
            )

    @property
    def door_low(self) -> float:
        """Lower edge of the door, included."""
        return self.door_center - self.door_half_width

    @property
    def door_high(self) -> float:
        """Upper edge of the door, included."""
        return self.door_center + self.door_half_width

    @property
    def state_size(self) -> int:
        """Numbers in the state: x, y and, under velocity dynamics, vx, vy."""
        return 4 if self.dynamics == "velocity" else 2

    def observation_space(self) -> gym.spaces.Dict:
        """Return the space of one agent's goal-conditioned observation."""
        high = np.array([HALF_SIZE, HALF_SIZE, self.max_speed, self.max_speed][: self.state_size])
        high = (high + NOISE_CUT * self.observation_noise).astype(np.float32)
        return gym.spaces.Dict(
            observation=gym.spaces.Box(-high, high, dtype=np.float32),
            achieved_goal=gym.spaces.Box(-HALF_SIZE, HALF_SIZE, (2,), np.float32),
            desired_goal=gym.spaces.Box(-HALF_SIZE, HALF_SIZE, (2,), np.float32),
        )

    def action_space(self) -> gym.spaces.Box:
        """Return the space of one agent's action."""
        return gym.spaces.Box(-1.0, 1.0, (2,), np.float32)


def height_at_wall(start: NDArray[np.float64], end: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return y where straight lines between positions on opposite sides of the wall meet x = 0, ``(...)``."""
    to_wall, beyond = np.abs(start[..., 0]), np.abs(end[..., 0])
    total = to_wall + beyond
    return start[..., 1] + (end[..., 1] - start[..., 1]) * to_wall / np.where(total > 0.0, total, 1.0)


def _number(name: str, value: Any) -> float:
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | float | np.number):
        raise TypeError(f"{name} must be a number, got {value!r} of type {type(value).__name__}")
    if not isfinite(value):
        raise ValueError(f"{name} must be finite, got {value}")
    return float(value)


def _require_one_of(name: str, value: Any, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}, got {value!r}")
