"""Draws tasks of PushT (a start state and a goal): a pusher's segment, or a pose of the block.

A task is a function of the world and one whole number, its key, which the environment draws at every reset.
"""

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from gbplan.envs.push_t import geometry, states
from gbplan.envs.push_t.physics import Physics
from gbplan.envs.push_t.pusher import Pusher
from gbplan.envs.push_t.world import ALIGNED, NEAR, World
from gbplan.envs.segments import Task

# Range of drawn agents and blocks, px, as in the original.
AGENT_STARTS = (50.0, 450.0)
BLOCK_STARTS = (100.0, 400.0)
CLEARANCE = 1.0  # px; smallest distance between agent, block and walls

LEAD = 75  # a segment begins within this many steps of a pusher's episode
ATTEMPTS = 200

State = tuple[float, ...]


def draw_task(world: World, key: int, state: Sequence[float] | None, goal: Sequence[float] | None) -> Task:
    """Complete a task; missing parts are drawn according to ``world.task``.

    Args:
        world: the rules.
        key: seed of the draw.
        state: start state, checked before, or None.
        goal: goal, checked before, or None.

    Returns:
        The task. A task drawn in whole or in part does not begin solved. If both parts are given, or a goal and no
        state, there are no actions.

    Raises:
        ValueError: no goal can be drawn for the given state.
    """
    if state is not None and goal is not None:
        return Task(tuple(state), tuple(goal), None)
    if state is None and goal is None:
        return drawn_task(world, key)
    rng = np.random.default_rng(key)
    if goal is None and state is not None and world.task == "segment":
        return _draw_segment(world, rng, tuple(state))
    for _ in range(ATTEMPTS):
        start = draw_start(rng) if state is None else tuple(state)
        aim = _goal_of(world, draw_start(rng)) if goal is None else tuple(goal)
        if not _solved(world, start, aim):
            return Task(start, aim, None)
    raise ValueError(f"every task drawn begins solved; the given goal is {goal}")


@lru_cache(maxsize=4096)  # cached: the expert asks for the actions of a task that was drawn before
def drawn_task(world: World, key: int) -> Task:
    """Draw a whole task; see `draw_task`."""
    rng = np.random.default_rng(key)
    if world.task == "segment":
        return _draw_segment(world, rng, None)
    while True:
        start, aim = draw_start(rng), _goal_of(world, draw_start(rng))
        if not _solved(world, start, aim):
            return Task(start, aim, None)


def draw_start(rng: np.random.Generator) -> State:
    """Draw a state at rest in which agent, block and walls are apart."""
    while True:
        (x, y), block = rng.uniform(*AGENT_STARTS, 2).tolist(), rng.uniform(*BLOCK_STARTS, 2).tolist()
        state = states.at_rest(x, y, block[0], block[1], rng.uniform(-math.pi, math.pi))
        pose = state[states.BLOCK]
        if geometry.beyond_walls(pose) < -CLEARANCE and geometry.overlap(x, y, pose) < -CLEARANCE:
            return tuple(state)


def _draw_segment(world: World, rng: np.random.Generator, begin: State | None) -> Task:
    """Find ``world.segment_steps`` steps of a pusher's episode in which the block moved; from ``begin``, if given."""
    physics, length = Physics(world.friction, world.damping), world.segment_steps
    lead = LEAD if begin is None else 0
    for _ in range(ATTEMPTS):
        path, actions = [draw_start(rng) if begin is None else begin], []
        pusher = Pusher(rng)
        for _ in range(lead + length):
            action = pusher.act(path[-1])
            actions.append(action)
            path.append(tuple(physics.step(path[-1], *action.tolist())[0]))
        starts = [start for start in range(lead + 1) if _moved(path[start], path[start + length])]
        if starts:
            start = starts[rng.integers(len(starts))]
            goal = _goal_of(world, path[start + length])
            return Task(path[start], goal, np.array(actions[start : start + length]))
    raise ValueError(
        f"found no push of {length} steps that moves the block from the given state; give a goal as well, or raise "
        "segment_steps"
    )


def _moved(state: State, later: State) -> bool:
    """Return whether the block moved by more than the goal's tolerance."""
    distance, angle = states.errors(state[states.BLOCK], later[states.BLOCK])
    return bool(distance > NEAR or angle > ALIGNED)


def _goal_of(world: World, state: State) -> State:
    return state[states.goal_part(world.success)]


def _solved(world: World, state: State, goal: State) -> bool:
    distance, angle = states.errors(_goal_of(world, state), goal)
    return bool(distance < NEAR and angle < ALIGNED)
