"""Worlds whose goals are shapes, made of points: the Chamfer distance, pushes at points, tasks and their expert."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gbplan.envs.reach_position import ReachPosition
from gbplan.envs.segments import SegmentExpert, Task
from gbplan.envs.simulated import Row, Simulated

INWARD = 0.9  # share of pushes that aim at the middle of the table, so that everything stays in reach
MIDDLE = 0.15  # largest distance (m, in x and y) of these aims from the middle of the table
ATTEMPTS = 200

Floats = NDArray[np.float64]


def rounded(values: Floats) -> Floats:
    """Round to float32, and return float64."""
    with np.errstate(over="ignore"):  # too large for float32: infinite, so outside
        return values.astype(np.float32).astype(np.float64)


def chamfer(achieved: ArrayLike, desired: ArrayLike) -> Any:
    """Return the Chamfer distance between shapes of N points, ``(..., 2 N)``, in their unit, ``(...)``.

    It is the distance from a point to the nearest point of the other shape, averaged over the points of both.
    """
    one, other = (np.asarray(shape, np.float64).reshape(*np.shape(shape)[:-1], -1, 2) for shape in (achieved, desired))
    apart = one[..., :, None, :] - other[..., None, :, :]
    distance = np.sqrt(apart[..., 0] * apart[..., 0] + apart[..., 1] * apart[..., 1])
    # Copied, so that the order of summation does not depend on the number of rows.
    nearest = [np.ascontiguousarray(distance.min(axis=axis)) for axis in (-1, -2)]
    return 0.5 * (nearest[0].mean(axis=-1) + nearest[1].mean(axis=-1))


def draw_push(
    rng: np.random.Generator, points: Floats, before: tuple[float, float], through: tuple[float, float]
) -> list[Floats]:
    """Draw a straight push at a random point, mostly towards the middle of the table.

    Args:
        rng: the source of randomness.
        points: x and y of the points, ``(N, 2)``.
        before: range of the distance from the start of the push to the point.
        through: range of the distance from the point to the end of the push.

    Returns:
        Start and end of the push, ``(2,)`` each.
    """
    point = points[rng.integers(len(points))]
    angle, aim = rng.uniform(-math.pi, math.pi), rng.uniform(-MIDDLE, MIDDLE, 2) - point
    if rng.random() < INWARD:
        angle = math.atan2(aim[1], aim[0])
    direction = np.array([math.cos(angle), math.sin(angle)])
    return [point - rng.uniform(*before) * direction, point + rng.uniform(*through) * direction]


class ShapeTasks(ABC):
    """Draws tasks (start state and goal): goals that a pusher's actions lead to, or random shapes.

    A task is a function of the world and its key, an integer that the environment draws at every reset. A subclass is
    a frozen dataclass, so that drawn tasks can be cached.

    Attributes:
        thing: what is pushed, for messages.
        moved: least Chamfer distance between start and goal.
        world: the rules; has ``task`` ("segment" or "shape"), ``goal_threshold`` and ``steps_of_segments``.
    """

    thing: str
    moved: float
    world: Any

    @property
    def lead(self) -> int:
        """Most steps of the pusher before a segment starts."""
        return 0

    @abstractmethod
    def start(self, rng: np.random.Generator) -> Floats:
        """Draw a start state."""

    @abstractmethod
    def shape(self, state: Floats) -> Floats:
        """Return a state's shape as a goal."""

    @abstractmethod
    def step(self, state: Floats, action: Floats) -> Floats:
        """Return the next state."""

    @abstractmethod
    def pusher(self, rng: np.random.Generator) -> Callable[[Floats, Floats], NDArray[np.float32]]:
        """Return a pusher of one episode, a function of state and shape to action."""

    def draw(self, key: int, state: Floats | None, goal: Floats | None) -> Task:
        """Complete a task: draw its missing parts by the rule ``world.task``.

        Args:
            key: key of the draw.
            state: checked start state, or None.
            goal: checked goal, or None.

        Returns:
            The task. A drawn task, also one drawn in part, is not solved at the start. If the goal is given, there are
            no actions.

        Raises:
            ValueError: no goal can be drawn for the given state.
        """
        if state is not None and goal is not None:
            return Task(state, goal, None)
        if state is None and goal is None:
            return _drawn(self, key)
        return self._draw(key, state, goal)

    def _draw(self, key: int, state: Floats | None, goal: Floats | None) -> Task:
        rng = np.random.default_rng(key)
        if goal is None and self.world.task == "segment":
            return self._draw_segment(rng, state)
        begin = self.start(rng) if state is None else state
        end = self.shape(self.start(rng)) if goal is None else goal
        while chamfer(self.shape(begin), end) < self._apart:
            if goal is None:
                end = self.shape(self.start(rng))
            else:
                begin = self.start(rng)
        return Task(begin, end, None)

    def _draw_segment(self, rng: np.random.Generator, given: Floats | None) -> Task:
        """Draw a segment of a pusher's episode in which the shape changes; from the state ``given``, if any."""
        length, lead = self.world.steps_of_segments, self.lead if given is None else 0
        for _ in range(ATTEMPTS):
            path, actions = [self.start(rng) if given is None else given], []
            shapes, act = [self.shape(path[0])], self.pusher(rng)
            for _ in range(lead + length):
                actions.append(act(path[-1], shapes[-1]))
                path.append(self.step(path[-1], actions[-1].astype(np.float64)))
                shapes.append(self.shape(path[-1]))
            moved = chamfer(np.array(shapes[: lead + 1]), np.array(shapes[length:]))
            starts = np.flatnonzero(moved >= self._apart)
            if starts.size:
                start = starts[rng.integers(len(starts))]
                return Task(path[start], shapes[start + length], np.array(actions[start : start + length]))
        raise ValueError(
            f"found no segment of {length} steps that moves the {self.thing} from the given state; give a goal as "
            "well, or raise segment_steps"
        )

    @property
    def _apart(self) -> float:
        return max(self.moved, self.world.goal_threshold)


@lru_cache(maxsize=4096)  # the expert draws the same task again, for its actions
def _drawn(tasks: ShapeTasks, key: int) -> Task:
    return tasks._draw(key, None, None)


class InShapeWorld(ReachPosition, Simulated):
    """Distance, tasks and expert of both forms of a world; a subclass sets ``_tasks``."""

    _tasks: ShapeTasks

    def goal_distance(self, achieved: ArrayLike, desired: ArrayLike) -> Any:
        """Return the Chamfer distance between shapes ``(..., G)``, m, ``(...)``; the same as ``info["distance"]``."""
        return chamfer(achieved, desired)

    @property
    def expert(self) -> Callable[..., SegmentExpert] | None:
        """A method that takes ``action_noise`` and returns the expert; None with ``task="shape"``."""
        return self._expert if self.world.task == "segment" else None

    def _expert(self, action_noise: float = 0.0) -> SegmentExpert:
        return SegmentExpert(action_noise).in_world(self.world)

    def _task(self, key: int, state: Floats | None, goal: Floats | None) -> Task:
        return self._tasks.draw(key, state, goal)

    def _segment(self, row: Row) -> NDArray[np.float32] | None:
        return super()._segment(row) if self.world.task == "segment" else None
