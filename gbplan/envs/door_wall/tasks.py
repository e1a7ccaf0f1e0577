"""Tasks of DoorWall-v0 (a start state and a goal): random draws, and checks of given ones."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gbplan.envs.door_wall.contact import CLOSEST, HALF_SIZE, LIMIT, SKIN
from gbplan.envs.door_wall.world import DETOUR_CROSSING_MARGIN, DETOUR_GOAL_MARGIN, START_CLEARANCE, World
from gbplan.envs.options import chosen_rows, require_rows

# Tolerance at a skin or a limit: a given start may be an observed one, and so rounded.
ROUNDING = 1e-6

Task = tuple[list[float], list[float]]  # state, goal


def draw_task(world: World, rng: np.random.Generator, state: list[float] | None, goal: list[float] | None) -> Task:
    """Complete a task; missing parts are drawn according to ``world.task``.

    Drawn numbers are float32 numbers: an observed task, given back through the options, is the same task.

    Args:
        world: the rules.
        rng: drawn from only if something is missing.
        state: start state, checked before, or None.
        goal: goal, checked before, or None.

    Returns:
        State (``world.state_size`` numbers; drawn ones are at rest) and goal. A task drawn in whole or in part never
        begins solved; one drawn in part keeps to ``world.task`` only as far as the given part allows.
    """
    if state is not None and goal is not None:
        return state, goal
    while True:
        drawn_start, drawn_goal = _draw(world, rng)
        start_x, start_y = drawn_start if state is None else state[:2]
        goal_x, goal_y = drawn_goal if goal is None else goal
        if (start_x - goal_x) ** 2 + (start_y - goal_y) ** 2 >= world.goal_threshold**2:
            rest = [0.0] * (world.state_size - 2)
            return state or [start_x, start_y, *rest], [goal_x, goal_y]


def _draw(world: World, rng: np.random.Generator) -> tuple[tuple[float, float], tuple[float, float]]:
    """Draw a start and a goal on opposite sides of the wall."""
    low, high = world.door_low - DETOUR_GOAL_MARGIN, world.door_high + DETOUR_GOAL_MARGIN
    below, above = max(low + LIMIT, 0.0), max(LIMIT - high, 0.0)
    while True:
        which, near, far, start_y, goal_y = rng.random(5).tolist()
        side = 1.0 if which < 0.5 else -1.0
        start_x = side * (START_CLEARANCE + (LIMIT - START_CLEARANCE) * near)
        goal_x = -side * (START_CLEARANCE + (LIMIT - START_CLEARANCE) * far)
        start_y = LIMIT * (2.0 * start_y - 1.0)
        if world.task == "detour":
            # Draw only heights that a detour's goal may have; only the crossing is left to reject.
            along = (below + above) * goal_y
            goal_y = along - LIMIT if along < below else LIMIT - (along - below)
        else:
            goal_y = LIMIT * (2.0 * goal_y - 1.0)
        start_x, start_y, goal_x, goal_y = np.array([start_x, start_y, goal_x, goal_y], np.float32).tolist()
        if world.task == "uniform" or is_detour(world, start_x, start_y, goal_x, goal_y):
            return (start_x, start_y), (goal_x, goal_y)


def is_detour(world: World, start_x: float, start_y: float, goal_x: float, goal_y: float) -> bool:
    """Return whether the straight line misses the door, and the goal does not lie behind it, both by some margin."""
    crossing = start_y + (goal_y - start_y) * start_x / (start_x - goal_x)
    beside_door = abs(crossing - world.door_center) > world.door_half_width + DETOUR_CROSSING_MARGIN
    return beside_door and abs(goal_y - world.door_center) > world.door_half_width + DETOUR_GOAL_MARGIN


def check_states(world: World, states: Any, mask: NDArray[np.bool_] | None = None) -> NDArray[np.float64]:
    """Return start states as rows of ``world.state_size`` numbers, or raise an error.

    Args:
        world: the rules.
        states: ``(D,)`` or, given a mask, also ``(N, D)``; D is 2 (at rest) or, under velocity dynamics, also 4.
        mask: rows to check and return, ``(N,)``; None: there is one state, without the leading axis.

    Raises:
        ValueError: wrong shape, not finite, outside the world, inside a skin, too fast.
    """
    sizes = (2, 4) if world.dynamics == "velocity" else (2,)
    array, rows = chosen_rows("state", states, sizes, mask)
    x, y = array[:, 0], array[:, 1]
    inside = (np.abs(x) <= LIMIT + ROUNDING) & (np.abs(y) <= LIMIT + ROUNDING)
    require_rows(inside, "state", array, rows, f"keep {SKIN:g} away from the borders, |x| and |y| <= {LIMIT:g}")
    in_door = (world.door_low - ROUNDING <= y) & (y <= world.door_high + ROUNDING)
    beside_door = f"{world.door_low:g} <= y <= {world.door_high:g}"
    require_rows(
        (np.abs(x) >= SKIN - ROUNDING) | in_door & (x != 0.0),
        "state",
        array,
        rows,
        f"keep |x| >= {SKIN:g}, away from the wall on x = 0 (in the doorway, {beside_door}, any x but 0 will do)",
    )
    slow = (np.abs(array[:, 2:]) <= world.max_speed + ROUNDING).all(axis=1)
    require_rows(slow, "state", array, rows, f"keep |vx| and |vy| <= {world.max_speed:g}")

    held_x = np.copysign(np.maximum(np.abs(x), np.where(in_door, CLOSEST, SKIN)), x)
    position = np.clip(np.stack([held_x, y], axis=1), -LIMIT, LIMIT)
    velocity = array[:, 2:] if array.shape[1] == world.state_size else np.zeros_like(position)
    return np.concatenate([position, velocity], axis=1)


def check_goals(goals: Any, mask: NDArray[np.bool_] | None = None) -> NDArray[np.float64]:
    """Return goals as rows, rounded to float32 as they will be observed, or raise an error.

    Args:
        goals: ``(2,)`` or, given a mask, also ``(N, 2)``.
        mask: rows to check and return, ``(N,)``; None: there is one goal, without the leading axis.

    Raises:
        ValueError: wrong shape, not finite, outside the world.
    """
    array, rows = chosen_rows("goal", goals, (2,), mask)
    inside = (np.abs(array) <= HALF_SIZE).all(axis=1)
    require_rows(inside, "goal", array, rows, f"keep within the world, |x| and |y| <= {HALF_SIZE:g}")
    return array.astype(np.float32).astype(np.float64)
