"""How a task, a start state and a goal, is drawn."""

import numpy as np
from numpy.typing import NDArray

from gbplan.envs.fetch_push import states
from gbplan.envs.fetch_push.world import World
from gbplan.envs.reach_position import distance_between
from gbplan.envs.segments import Task

MIDDLE = np.array([1.34, 0.75])  # of drawn places, m: where the gripper begins
RANGE = 0.15  # of drawn places, in x and y, m
FREE = 0.1  # between drawn cubes and the gripper, m
FAR = 0.2  # between cube and goal of far tasks, m

Floats = NDArray[np.float64]


def draw_task(world: World, start: Floats, key: int, state: Floats | None, goal: Floats | None) -> Task:
    """Complete a task; what is not given is drawn as ``world.task`` says.

    Args:
        world: the rules.
        start: the state in which an episode begins, but for the cube's place, ``(43,)``.
        key: what is drawn is a function of it.
        state: start state, checked before, or None.
        goal: goal, checked before, or None.

    Returns:
        The task, in float32 numbers. One that is drawn in whole or in part does not begin solved.
    """
    if state is not None and goal is not None:
        return Task(state, goal, None)
    rng = np.random.default_rng(key)
    while True:
        begin = states.rounded(states.with_cube_at(start, _draw_cube(rng))) if state is None else state
        end = states.rounded(np.append(_draw_place(rng), states.LYING)) if goal is None else goal
        cube = begin[states.CUBE]
        # A corner of the square is far from any place, so that this ends.
        if distance_between(cube, end) >= (FAR if world.task == "far" else world.goal_threshold):
            return Task(begin, end, None)


def _draw_cube(rng: np.random.Generator) -> Floats:
    while True:
        place = _draw_place(rng)
        if distance_between(place, MIDDLE) >= FREE:
            return place


def _draw_place(rng: np.random.Generator) -> Floats:
    return MIDDLE + rng.uniform(-RANGE, RANGE, 2)
