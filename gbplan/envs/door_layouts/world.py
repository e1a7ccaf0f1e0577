"""The rules of ``gbplan/DoorLayouts-v0`` and its layouts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import gymnasium as gym
import numpy as np
from numpy.typing import ArrayLike, NDArray

from gbplan import checks
from gbplan.envs import arguments
from gbplan.envs.door_wall.contact import HALF_SIZE
from gbplan.envs.door_wall.world import START_CLEARANCE
from gbplan.envs.door_wall.world import World as DoorWall

ENV_ID = "gbplan/DoorLayouts-v0"

Floats = NDArray[np.float64]
Kind = Literal["uniform", "detour"]
Reward = Literal["sparse", "dense"]
Which = Literal["seen", "unseen", "all"]

# Places of the wall, and of the middle of its door; float32 can represent them.
WALLS = np.arange(-4, 5) / 4.0  # x, u
DOORS = np.arange(-5, 6) / 4.0  # y, u
WIDEST = HALF_SIZE - float(DOORS[-1])  # largest half width of a door that stays within the borders, u


def layouts(which: Which) -> Floats:
    """Return layouts, ``(L, 2)``: the wall's x and the y of its door's middle.

    A layout with the wall at its i-th and the door at its j-th place is unseen if ``(i + 2 j) % 5 == 0``: a fifth of
    all. Every place of a wall and every place of a door occurs in seen and in unseen layouts.
    """
    wall, door = np.meshgrid(np.arange(len(WALLS)), np.arange(len(DOORS)), indexing="ij")
    unseen = (wall + 2 * door) % 5 == 0
    chosen = unseen if which == "unseen" else ~unseen if which == "seen" else np.ones_like(unseen)
    return np.stack([WALLS[wall[chosen]], DOORS[door[chosen]]], axis=-1)


def from_the_door(places: ArrayLike) -> Floats:
    """Return positions relative to the middle of the door, ``(..., 2)``, of states or goals ``(..., 4)``."""
    places = np.asarray(places, np.float64)
    return places[..., :2] - places[..., 2:]


@dataclass(frozen=True, kw_only=True)
class World:
    """The constructor arguments, checked; see `DoorLayoutsEnv`.

    Raises:
        ValueError: an argument is outside its range.
        TypeError: an argument is of the wrong type.
    """

    layouts: Which = "all"
    step_size: float = 0.1
    door_half_width: float = 0.5
    reward_type: Reward = "sparse"
    goal_threshold: float = 0.1
    continuing_task: bool = False
    task: Kind = "uniform"

    def __post_init__(self) -> None:
        for name in ("step_size", "door_half_width", "goal_threshold"):
            object.__setattr__(self, name, arguments.number(name, getattr(self, name)))
        object.__setattr__(self, "continuing_task", arguments.flag("continuing_task", self.continuing_task))
        checks.one_of(Which, layouts=self.layouts)
        checks.one_of(Reward, reward_type=self.reward_type)
        checks.one_of(Kind, task=self.task)
        if not 0.01 <= self.goal_threshold < 2 * START_CLEARANCE:
            raise ValueError(
                f"goal_threshold must lie in 0.01..{2 * START_CLEARANCE} (excluded), got {self.goal_threshold}"
            )
        if not self.door_half_width <= WIDEST:
            raise ValueError(f"door_half_width must be at most {WIDEST}, got {self.door_half_width}")
        self.around_the_door  # noqa: B018, which checks the rest

    @property
    def around_the_door(self) -> DoorWall:
        """The world relative to the middle of its door, without borders: the same for every layout."""
        return DoorWall(
            step_size=self.step_size, door_half_width=self.door_half_width, goal_threshold=self.goal_threshold
        )

    def observation_space(self) -> gym.spaces.Dict:
        """Return the space of the goal-conditioned observation."""
        high = np.array([HALF_SIZE, HALF_SIZE, WALLS[-1], DOORS[-1]], np.float32)
        keys = ("observation", "achieved_goal", "desired_goal")
        return gym.spaces.Dict({key: gym.spaces.Box(-high, high, dtype=np.float32) for key in keys})

    def action_space(self) -> gym.spaces.Box:
        """Return the space of the action."""
        return gym.spaces.Box(-1.0, 1.0, (2,), np.float32)
