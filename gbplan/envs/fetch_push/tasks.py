"""Draws tasks of FetchPush: a start state and a goal."""

import numpy as np
from numpy.typing import NDArray

from gbplan.envs.fetch_push import states
from gbplan.envs.fetch_push.world import World
from gbplan.envs.reach_position import distance_between
from gbplan.envs.segments import Task

MIDDLE = np.array([1.34, 0.75])  # centre of drawn places, m: where the gripper begins
RANGE = 0.15  # half the range of drawn places, in x and y, m
FREE = 0.1  # smallest distance between drawn cubes and the gripper, m
FAR = 0.2  # smallest distance between cube and goal of far tasks, m

Floats = NDArray[np.float64]


def draw_task(world: World, start: Floats, key: int, state: Floats | None, goal: Floats | None) -> Task:
    """Complete a task; missing parts are drawn according to ``world.task``.

    Args:
        world: the rules.
        start: the state in which an episode begins, except the cube's place, ``(43,)``.
        key: seed of the draw.
        state: start state, checked before, or None.
        goal: goal, checked before, or None.

    Returns:
        The task, in float32 numbers. A task drawn in whole or in part does not begin solved.
    """
    if state is not None and goal is not None:
        return Task(state, goal, None)
    rng = np.random.default_rng(key)
    while True:
        begin = states.rounded(states.with_cube_at(start, _draw_cube(rng))) if state is None else state
        end = states.rounded(np.append(_draw_place(rng), states.LYING)) if goal is None else goal
        cube = begin[states.CUBE]
        # From any place, a corner of the square is far away, so the loop ends.
        if distance_between(cube, end) >= (FAR if world.task == "far" else world.goal_threshold):
            return Task(begin, end, None)


def _draw_cube(rng: np.random.Generator) -> Floats:
    while True:
        place = _draw_place(rng)
        if distance_between(place, MIDDLE) >= FREE:
            return place


def _draw_place(rng: np.random.Generator) -> Floats:
    return MIDDLE + rng.uniform(-RANGE, RANGE, 2)
