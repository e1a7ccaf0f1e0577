"""Tasks of DoorLayouts: a layout with a start and a goal in it, drawn or given."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gbplan.envs.door_layouts.world import Floats, World, from_the_door, layouts
from gbplan.envs.door_wall.contact import CLOSEST, HALF_SIZE, LIMIT, SKIN
from gbplan.envs.door_wall.tasks import ROUNDING, is_detour
from gbplan.envs.door_wall.world import START_CLEARANCE
from gbplan.envs.options import chosen_rows, require_rows
from gbplan.envs.reach_position import distance_between
from gbplan.envs.segments import Task


def draw_task(world: World, key: int, state: Floats | None, goal: Floats | None) -> Task:
    """Complete a task: draw its missing parts by the world's rules.

    Args:
        world: the rules.
        key: key of the draw.
        state: checked start state, or None.
        goal: checked goal, or None.

    Returns:
        The task, in float32 values. A drawn task, also one drawn in part, is not solved at the start. A task drawn in
        part has the layout of its given part, and follows ``world.task`` as far as that part allows.

    Raises:
        ValueError: the given state and goal have different layouts.
    """
    if state is not None and goal is not None:
        if (state[2:] != goal[2:]).any():
            raise ValueError(
                f"options['state'] has the layout {state[2:].tolist()} and options['goal'] {goal[2:].tolist()}; give "
                "both the same wall and door"
            )
        return Task(state, goal, None)
    rng = np.random.default_rng(key)
    there = layouts(world.layouts)
    given = state if state is not None else goal
    layout = there[rng.integers(len(there))] if given is None else given[2:]
    while True:
        start, end = _draw(world, layout, rng)
        start, end = start if state is None else state, end if goal is None else goal
        if distance_between(start, end) >= world.goal_threshold:
            return Task(start, end, None)


def _draw(world: World, layout: Floats, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Draw a start and a goal on opposite sides of the wall, ``(4,)`` each."""
    wall = float(layout[0])
    while True:
        which, near, far, *heights = rng.random(5).tolist()
        side = 1.0 if which < 0.5 else -1.0
        x = [
            wall + s * (START_CLEARANCE + (LIMIT - s * wall - START_CLEARANCE) * u)
            for s, u in ((side, near), (-side, far))
        ]
        y = [LIMIT * (2.0 * height - 1.0) for height in heights]
        start, end = (np.array([*place, *layout], np.float32).astype(np.float64) for place in zip(x, y, strict=True))
        if world.task == "uniform" or is_detour(world.around_the_door, *from_the_door(start), *from_the_door(end)):
            return start, end


def check_states(world: World, states: Any, mask: NDArray[np.bool_] | None = None) -> Floats:
    """Check start states, and return them as rows of 4 float32 values.

    Args:
        world: the rules.
        states: ``(4,)`` or, given a mask, also ``(N, 4)``.
        mask: rows to check and return, ``(N,)``; None: there is one state, without the leading axis.

    Raises:
        ValueError: wrong shape, not finite, outside the room, too close to wall or border, no such layout.
    """
    array, rows = _with_layout("state", states, mask)
    inside = (np.abs(array[:, :2]) <= LIMIT + ROUNDING).all(axis=1)
    require_rows(inside, "state", array, rows, f"keep {SKIN:g} away from the borders, |x| and |y| <= {LIMIT:g}")
    x, y = from_the_door(array).T
    in_door = np.abs(y) <= world.door_half_width + ROUNDING
    apart = (np.abs(x) >= SKIN - ROUNDING) | in_door & (x != 0.0)
    require_rows(
        apart,
        "state",
        array,
        rows,
        f"keep {SKIN:g} away from the wall in x; in the doorway, any x except the wall's own is fine",
    )
    array[:, 0] = array[:, 2] + np.copysign(np.maximum(np.abs(x), np.where(in_door, CLOSEST, SKIN)), x)
    array[:, :2] = np.clip(array[:, :2], -LIMIT, LIMIT)
    return array.astype(np.float32).astype(np.float64)


def check_goals(goals: Any, mask: NDArray[np.bool_] | None = None) -> Floats:
    """Check goals, and return them as rows of 4 float32 values; arguments as in ``check_states``.

    Raises:
        ValueError: wrong shape, not finite, outside the world, no such layout.
    """
    array, rows = _with_layout("goal", goals, mask)
    inside = (np.abs(array[:, :2]) <= HALF_SIZE).all(axis=1)
    require_rows(inside, "goal", array, rows, f"keep within the world, |x| and |y| <= {HALF_SIZE:g}")
    return array.astype(np.float32).astype(np.float64)


def _with_layout(name: str, values: Any, mask: NDArray[np.bool_] | None) -> tuple[Floats, NDArray[np.int64]]:
    array, rows = chosen_rows(name, values, (4,), mask)
    known = (array[:, None, 2:] == layouts("all")).all(axis=2).any(axis=1)
    remedy = "its last two numbers are the wall's x, a quarter of -4..4, and the door's y, a quarter of -5..5"
    require_rows(known, name, array, rows, remedy)
    return array.copy(), rows
