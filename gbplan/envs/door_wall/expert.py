"""The expert of DoorWall-v0."""

import numpy as np
from numpy.typing import NDArray

from gbplan.envs.door_wall.contact import LIMIT
from gbplan.envs.door_wall.world import World, height_at_wall
from gbplan.envs.expert import Expert
from gbplan.envs.policy import Observation

Floats = NDArray[np.float64]

CLEARANCE = 0.1  # distance from the wall beside the door, so that noise does not press the expert against the wall
DOOR_MARGIN = 0.05  # distance from the door's edges; half the door's half width if that is less


class DoorWallExpert(Expert[World]):
    """Go through the door to the goal, in any DoorWall world, under both dynamics and both contacts.

    Its action depends on ``observation`` and ``desired_goal`` of the current step only, so it recovers from any noise.
    With the default speeds it reaches every drawn task's goal within 100 steps, with any door.
    """

    environment = "DoorWall"

    def _best(self, world: World, observation: Observation) -> Floats:
        state = np.asarray(observation["observation"], np.float64)
        goal = np.clip(np.asarray(observation["desired_goal"], np.float64), -LIMIT, LIMIT)
        return _accelerate(world, state, goal) if world.dynamics == "velocity" else walk(world, state, goal)


def walk(world: World, position: Floats, goal: Floats) -> Floats:
    """Return actions ``(..., 2)`` that move straight to the next waypoint, as fast as the slower axis allows."""
    side, beyond, height, through = _passage(world, position, goal)
    in_doorway = (world.door_low <= position[..., 1]) & (position[..., 1] <= world.door_high)
    # First to the doorway, at a distance from the wall, then through it: every height between two heights inside the
    # door is inside.
    doorway = np.stack([np.where(in_doorway, -side, side) * CLEARANCE, through], axis=-1)
    # A line through the door may pass through the wall's skin before the door.
    off_wall = in_doorway | (np.abs(position[..., 0]) > CLEARANCE / 2)
    straight = ~beyond | (height == through) & off_wall
    action = (np.where(straight[..., None], goal, doorway) - position) / world.step_size
    return action / np.maximum(np.abs(action).max(axis=-1, keepdims=True), 1.0)


def _accelerate(world: World, state: Floats, goal: Floats) -> Floats:
    """Return accelerations that bring each axis to the next waypoint without overshooting it."""
    position, velocity = state[..., :2], state[..., 2:]
    side, beyond, _, through = _passage(world, position, goal)
    # The agent goes through once it is in the doorway and would still be there after braking.
    y, vy = position[..., 1], velocity[..., 1]
    braked = y + vy * (1.0 + np.abs(vy) / (2.0 * world.acceleration))
    lowest, highest = np.minimum(y, braked), np.maximum(y, braked)
    in_doorway = (world.door_low <= lowest) & (highest <= world.door_high)
    target_x = np.where(beyond & ~in_doorway, side * CLEARANCE, goal[..., 0])
    target_y = np.where(beyond, through, goal[..., 1])
    away = np.stack([target_x, target_y], axis=-1) - position

    # The fastest speed from which braking by `acceleration` per step still ends at the target: the sum of
    # v, v - a, v - 2a, ... is v^2 / 2a + v / 2. Close to the target, one step of exactly the remaining distance.
    brakeable = world.acceleration * (np.sqrt(0.25 + 2.0 * np.abs(away) / world.acceleration) - 0.5)
    speed = np.minimum(np.minimum(np.abs(away), brakeable), world.max_speed)
    return np.clip((np.copysign(speed, away) - (1.0 - world.damping) * velocity) / world.acceleration, -1.0, 1.0)


def _passage(world: World, position: Floats, goal: Floats) -> tuple[Floats, NDArray[np.bool_], Floats, Floats]:
    """Return where the path crosses the wall, each ``(...)``.

    Returns:
        The agent's side of the wall (-1 or 1), whether the goal lies beyond the wall, the height at which the straight
        line to the goal meets the wall (meaningful only then), and that height brought into the door.
    """
    side = np.where(position[..., 0] > 0.0, 1.0, -1.0)
    height = height_at_wall(position, goal)
    margin = min(DOOR_MARGIN, world.door_half_width / 2)
    through = np.clip(height, world.door_low + margin, world.door_high - margin)
    return side, side * goal[..., 0] < 0.0, height, through
