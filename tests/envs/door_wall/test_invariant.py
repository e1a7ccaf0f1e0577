"""The invariant of contact, through both environments: sides change only where the segment crosses x = 0 in the door.

``test_contact.py`` has the moves behind it, with the same property, by hand and at random.
"""

import numpy as np
import pytest
from gymnasium.utils import seeding
from hypothesis import given, settings
from hypothesis import strategies as st

from gbplan.envs.door_wall import DoorWallEnv, DoorWallVectorEnv
from gbplan.envs.door_wall.contact import CLOSEST, LIMIT, SKIN
from gbplan.envs.door_wall.world import World

GOAL = [1.0, 1.0]

positive = st.floats(0.01, 4.0)
worlds = st.fixed_dictionaries(
    {
        "dynamics": st.sampled_from(["position", "velocity"]),
        "contact": st.sampled_from(["slide", "stop"]),
        "process_noise": st.sampled_from([0.0, 0.0, 0.05, 2.0]),
        "step_size": positive,
        "acceleration": positive,
        "max_speed": positive,
        "damping": st.floats(0.0, 1.0),
    }
)
doors = st.tuples(st.floats(0.05, 2.0), st.floats(-1.0, 1.0)).map(
    lambda door: {"door_half_width": door[0], "door_center": door[1] * (2.0 - door[0])}
)
arguments = st.builds(lambda world, door: World(**world, **door, continuing_task=True), worlds, doors)
seeds = st.integers(0, 2**31)


def random_starts(world: World, rows: int, rng: np.random.Generator) -> np.ndarray:
    """Start states anywhere, (rows, D): three of ten near the wall, and one of ten in or just before the door."""
    x, y = rng.uniform(-LIMIT, LIMIT, (2, rows))
    x[: 3 * rows // 10] *= 0.01
    y[: rows // 10] = rng.uniform(max(world.door_low, -LIMIT), min(world.door_high, LIMIT), rows // 10)
    in_door = (world.door_low <= y) & (y <= world.door_high)
    x = np.copysign(np.maximum(np.abs(x), np.where(in_door, CLOSEST, SKIN)), x)
    velocity = rng.uniform(-world.max_speed, world.max_speed, (world.state_size - 2, rows))
    return np.stack([x, y, *velocity], axis=1)


def arguments_of(world: World) -> dict:
    return {name: getattr(world, name) for name in World.__dataclass_fields__}


def run_rows(world, states, actions, seed):
    """Observe the rows of one vector environment: observed (T + 1, N, D), contact (T, N), noise (T, N, 2)."""
    rows = len(states)
    envs = DoorWallVectorEnv(rows, max_episode_steps=None, **arguments_of(world))
    observation, _ = envs.reset(seed=seed, options={"state": states, "goal": GOAL})
    observed, contact = [observation["observation"]], []
    for action in actions:
        observation, *_, infos = envs.step(action)
        np.testing.assert_array_equal(observation["achieved_goal"], observation["observation"][:, :2])
        observed.append(observation["observation"])
        contact.append(infos["contact"])
    noise = [seeding.np_random(seed + row)[0].standard_normal((len(actions), 2)) for row in range(rows)]
    return np.array(observed), np.array(contact), np.stack(noise, axis=1)


def run_single(world, states, actions, seed):
    """Observe episodes of a single environment, one after the other; results as of ``run_rows``."""
    env = DoorWallEnv(**arguments_of(world))
    env.reset(seed=seed, options={"state": states[0], "goal": GOAL})
    observed = np.empty((len(actions) + 1, *states.shape), np.float32)
    contact = np.empty((len(actions), len(states)), np.bool_)
    for episode, state in enumerate(states):
        observed[0, episode] = env.reset(options={"state": state, "goal": GOAL})[0]["observation"]
        for step, action in enumerate(actions[:, episode]):
            observation, *_, info = env.step(action)
            observed[step + 1, episode], contact[step, episode] = observation["observation"], info["contact"]
    noise = seeding.np_random(seed)[0].standard_normal((len(states), len(actions), 2))
    return observed, contact, noise.swapaxes(0, 1)


def displacements(world, states, observed, actions, noise):
    """Intended displacements, (T, N, 2), by the equations of the environment's docstring."""
    actions = np.clip(actions, -1.0, 1.0)
    if world.dynamics == "position":
        return world.step_size * actions + world.process_noise * noise
    velocity, moves = states[:, 2:], []
    for action, seen in zip(actions, observed[1:, :, 2:], strict=True):
        velocity = (1.0 - world.damping) * velocity + world.acceleration * action
        velocity = np.clip(velocity, -world.max_speed, world.max_speed)
        moves.append(velocity)
        velocity = np.where(seen == 0.0, 0.0, velocity)  # held up by a wall
        np.testing.assert_array_equal(seen, velocity.astype(np.float32))
    return np.array(moves) + world.process_noise * noise


def check(world, run, rows, steps, seed):
    """Assert the invariant of random episodes, on what is observed in float32."""
    rng = np.random.default_rng(seed)
    states = random_starts(world, rows, rng)
    actions = rng.uniform(-1.5, 1.5, (steps, rows, 2))  # beyond the bounds, to be clipped
    observed, contact, noise = run(world, states, actions, seed)
    displacement = displacements(world, states, observed, actions, noise)
    before, after = observed[:-1, :, :2].astype(np.float64), observed[1:, :, :2].astype(np.float64)

    # Where the segment, with y held at the borders, crosses x = 0; NaN where it does not.
    with np.errstate(divide="ignore", invalid="ignore"):
        part = -before[..., 0] / displacement[..., 0]
        height = np.clip(before[..., 1] + part * displacement[..., 1], -LIMIT, LIMIT)
    height[~((part > 0.0) & (part < 1.0))] = np.nan
    rounding = 1e-5  # of float32: it may tell the very edges of the door, and of the segment, otherwise
    into_door = np.abs(height - world.door_center) < world.door_half_width - rounding
    into_wall = np.abs(height - world.door_center) > world.door_half_width + rounding
    misses = np.isnan(height) & (np.abs(part - 1.0) > rounding)

    changed = (before[..., 0] > 0.0) != (after[..., 0] > 0.0)
    assert changed.any()
    assert not changed[into_wall | misses].any()
    assert contact[into_wall].all()
    # A stopped agent may be held up by a border on its way through the door.
    assert changed[into_door if world.contact == "slide" else into_door & ~contact].all()

    x, y = np.abs(after[..., 0]), after[..., 1]
    assert (np.abs(after) <= LIMIT).all()
    assert (x > 0.0).all()
    assert (x >= SKIN)[np.abs(y - world.door_center) > world.door_half_width + rounding].all()


@given(world=arguments, seed=seeds)
@settings(max_examples=15, deadline=None)
def test_rows_change_sides_only_through_the_door(world, seed):
    check(world, run_rows, 1000, 160, seed)


@given(world=arguments, seed=seeds)
@settings(max_examples=25, deadline=None)
def test_single_agent_changes_sides_only_through_the_door(world, seed):
    check(world, run_single, 100, 40, seed)


@pytest.mark.slow
@given(world=arguments, seed=seeds)
@settings(max_examples=100, deadline=None)
def test_single_agent_changes_sides_only_through_the_door_a_million_times(world, seed):
    check(world, run_single, 250, 40, seed)
