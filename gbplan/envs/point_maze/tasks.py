"""Tasks of PointMaze (a start state and a goal): random draws, and checks of given ones."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gbplan.envs.options import chosen_rows, require_rows
from gbplan.envs.point_maze.maze import Maze
from gbplan.envs.point_maze.world import MAX_SPEED, World
from gbplan.envs.reach_position import distance_between

Floats = NDArray[np.float64]

DRAWN_CLEARANCE = 0.2  # u; smallest distance of drawn positions from every wall, as in DINO-WM
ROUNDING = 1e-6  # tolerance at the speed limit

FREE = "choose a place in a free cell of the maze: what lies in a wall or outside cannot be reached"


def draw_task(
    world: World, rng: np.random.Generator, state: Floats | None, goal: Floats | None
) -> tuple[Floats, Floats]:
    """Complete a task; missing parts are drawn according to ``world.task``.

    Drawn numbers are float32 numbers: an observed task, given back through the options, is the same task.

    Args:
        world: the rules.
        rng: drawn from only if something is missing.
        state: start state ``(4,)``, checked before, or None.
        goal: goal ``(2,)``, checked before, or None.

    Returns:
        State and goal. A task drawn in whole or in part does not begin solved.
    """
    if state is not None and goal is not None:
        return state, goal
    maze = world.geometry
    while True:
        start = state if state is not None else _draw_state(world, rng)
        end = goal if goal is not None else _draw_position(maze, rng)
        hidden = world.task == "uniform" or not maze.sees(start[:2], end)
        if hidden and distance_between(start[:2], end) >= world.goal_threshold:
            return start, end


def _draw_state(world: World, rng: np.random.Generator) -> Floats:
    velocity = rng.uniform(-world.start_speed, world.start_speed, 2)
    return np.concatenate([_draw_position(world.geometry, rng), _rounded(velocity)])


def _draw_position(maze: Maze, rng: np.random.Generator) -> Floats:
    while True:
        position = _rounded(maze.centers[rng.choice(maze.free)] + rng.uniform(-0.5, 0.5, 2))
        if maze.clearance(position) >= DRAWN_CLEARANCE:
            return position


def check_states(world: World, states: Any, mask: NDArray[np.bool_] | None = None) -> Floats:
    """Return start states as rows of four float32 numbers, or raise an error.

    Args:
        world: the rules.
        states: ``(D,)`` or, given a mask, also ``(N, D)``; D is 2 (at rest) or 4.
        mask: rows to check and return, ``(N,)``; None: there is one state, without the leading axis.

    Raises:
        ValueError: wrong shape, not finite, in a wall, too fast.
    """
    array, rows = chosen_rows("state", states, (2, 4), mask)
    require_rows(world.geometry.clearance(_rounded(array[:, :2])) > 0.0, "state", array, rows, FREE)
    slow = (np.abs(array[:, 2:]) <= MAX_SPEED + ROUNDING).all(axis=1)
    require_rows(slow, "state", array, rows, f"keep |vx| and |vy| <= {MAX_SPEED:g}")
    velocity = np.clip(array[:, 2:], -MAX_SPEED, MAX_SPEED) if array.shape[1] == 4 else np.zeros_like(array)
    return _rounded(np.concatenate([array[:, :2], velocity], axis=1))


def check_goals(world: World, goals: Any, mask: NDArray[np.bool_] | None = None) -> Floats:
    """Return goals as rows of float32 numbers, or raise an error.

    Args:
        world: the rules.
        goals: ``(2,)`` or, given a mask, also ``(N, 2)``.
        mask: rows to check and return, ``(N,)``; None: there is one goal, without the leading axis.

    Raises:
        ValueError: wrong shape, not finite, in a wall.
    """
    array, rows = chosen_rows("goal", goals, (2,), mask)
    require_rows(world.geometry.clearance(_rounded(array)) > 0.0, "goal", array, rows, FREE)
    return _rounded(array)


def _rounded(values: Floats) -> Floats:
    with np.errstate(over="ignore"):  # too large for float32: infinite, so outside
        return values.astype(np.float32).astype(np.float64)
