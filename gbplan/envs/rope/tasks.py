"""Tasks (start state and goal) of the rope: goals that a pusher's actions lead to, or random shapes.

A task is a function of the world and its key, an integer that the environment draws at every reset.
"""

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from gbplan.envs.rope import states
from gbplan.envs.rope.physics import CLEAR, Physics
from gbplan.envs.rope.pusher import Pusher
from gbplan.envs.rope.states import LINK, NODES, PARKED, REACH, TIP
from gbplan.envs.rope.world import World
from gbplan.envs.segments import Task

MIDDLE = 0.1  # largest distance (m, in x and y) of a drawn rope's centre from the middle of the table
BENDS = 2.0  # standard deviation (rad) of the amplitudes of a drawn rope's bends
APART = 0.025  # least distance (m) of nodes of a drawn rope that are not neighbours
MOVED = 0.03  # least Chamfer distance (m) between start and goal
LEAD = 50  # most small steps before a segment starts
ATTEMPTS = 200

Floats = NDArray[np.float64]


def draw_task(world: World, physics: Physics, key: int, state: Floats | None, goal: Floats | None) -> Task:
    """Complete a task: draw its missing parts by the rule ``world.task``.

    Args:
        world: the rules.
        physics: the dynamics.
        key: key of the draw.
        state: checked start state, or None.
        goal: checked goal, or None.

    Returns:
        The task. A drawn task, also one drawn in part, is not solved at the start. If the goal is given, there are no
        actions.

    Raises:
        ValueError: no goal can be drawn for the given state.
    """
    if state is not None and goal is not None:
        return Task(state, goal, None)
    if state is None and goal is None:
        return _drawn(world, key)
    rng = np.random.default_rng(key)
    if state is not None and world.task == "segment":
        return _draw_segment(world, physics, rng, state)
    while True:
        begin = draw_start(world, physics, rng) if state is None else state
        end = shape_of(physics, draw_start(world, physics, rng)) if goal is None else goal
        if states.chamfer(shape_of(physics, begin), end) >= max(MOVED, world.goal_threshold):
            return Task(begin, end, None)


@lru_cache(maxsize=4096)  # the expert draws the same task again, for its actions
def _drawn(world: World, key: int) -> Task:
    rng, physics = np.random.default_rng(key), Physics()
    if world.task == "segment":
        return _draw_segment(world, physics, rng, None)
    begin = draw_start(world, physics, rng)
    while True:
        end = shape_of(physics, draw_start(world, physics, rng))
        if states.chamfer(shape_of(physics, begin), end) >= max(MOVED, world.goal_threshold):
            return Task(begin, end, None)


def shape_of(physics: Physics, state: Floats) -> Floats:
    """Return the positions of a state's nodes, float32 values, ``(42,)``."""
    return states.rounded(physics.nodes(state[None])[0].ravel())


def draw_start(world: World, physics: Physics, rng: np.random.Generator) -> Floats:
    """Draw a bent rope at rest; the tip is parked or, with small steps, beside the rope."""
    while True:
        along = np.linspace(0.0, 1.0, NODES - 1)
        heading = np.full(NODES - 1, rng.uniform(-math.pi, math.pi))
        for wave in (0.5, 1.0, 1.5):
            bend = rng.normal(0.0, BENDS / (2.0 * wave))
            heading += bend * np.cos(2.0 * math.pi * (wave * along + rng.random()))
        links = LINK * np.stack([np.cos(heading), np.sin(heading)], axis=-1)
        nodes = np.concatenate([np.zeros((1, 2)), np.cumsum(links, axis=0)])
        nodes += rng.uniform(-MIDDLE, MIDDLE, 2) - nodes.mean(axis=0)
        if np.abs(nodes).max() < REACH and _unknotted(nodes):
            break
    state = physics.settled(states.rounded(states.lying(nodes, PARKED)))
    if world.action == "push":
        return state
    shape = physics.nodes(state[None])[0]
    while True:
        place = rng.uniform(-REACH, REACH, 2)
        if states.gap(shape, place) > CLEAR:
            state[TIP] = states.rounded(place)
            return state


def _unknotted(nodes: Floats) -> bool:
    """Return whether the rope nowhere lies on itself."""
    apart = np.linalg.norm(nodes[:, None] - nodes[None], axis=-1)
    far_along = np.abs(np.arange(NODES)[:, None] - np.arange(NODES)) > 2
    return bool((apart[far_along] > APART).all())


def _draw_segment(world: World, physics: Physics, rng: np.random.Generator, begin: Floats | None) -> Task:
    """Draw a segment of a pusher's episode in which the rope moves; from ``begin``, if given."""
    length = world.steps_of_segments
    step, lead = (physics.push, 0) if world.action == "push" else (physics.small, 0 if begin is not None else LEAD)
    for _ in range(ATTEMPTS):
        path, actions = [draw_start(world, physics, rng) if begin is None else begin], []
        pusher = Pusher(rng)
        shapes = [shape_of(physics, path[0])]
        for _ in range(lead + length):
            seen = shapes[-1] if world.action == "push" else np.append(shapes[-1], path[-1][TIP])
            actions.append(pusher.act(seen))
            path.append(step(path[-1], actions[-1].astype(np.float64))[0])
            shapes.append(shape_of(physics, path[-1]))
        moved = states.chamfer(np.array(shapes[: lead + 1]), np.array(shapes[length:]))
        starts = np.flatnonzero(moved >= max(MOVED, world.goal_threshold))
        if starts.size:
            start = starts[rng.integers(len(starts))]
            return Task(path[start], shapes[start + length], np.array(actions[start : start + length]))
    raise ValueError(
        f"found no segment of {length} steps that moves the rope from the given state; give a goal as well, or raise "
        "segment_steps"
    )
