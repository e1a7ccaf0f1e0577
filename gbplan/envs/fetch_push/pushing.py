"""A rule that pushes the cube to a place with the gripper, from the current step only."""

import numpy as np
from numpy.typing import NDArray

from gbplan.envs.fetch_push.physics import REACH

BEHIND = 0.065  # m from the cube's middle at which the gripper comes down
LANE = 0.012  # m beside the line through cube and goal within which a push continues
NEAR = 0.02  # m from the place behind the cube within which the gripper comes down
LOW, HIGH = 0.42, 0.50  # m, of the gripper's tip: pushing, and passing over the cube
SLOW = 0.35  # share of the remaining distance that a push covers in a step

Floats = NDArray[np.float64]


def push(grip: Floats, cube: Floats, goal: Floats, near: float = 0.01) -> Floats:
    """Return the action that brings the cube nearer to the goal.

    The gripper passes over the cube, comes down behind it, seen from the goal, and pushes; if the cube slips off to the
    side, it begins again.

    Args:
        grip: x, y, z of the gripper, m, ``(..., 3)``.
        cube: x, y, z of the cube's middle, m, ``(..., 3)``.
        goal: target of the cube's middle, m, ``(..., 3)``; only x and y matter.
        near: distance to the goal, m, within which the gripper waits.

    Returns:
        Actions, not clipped, ``(..., 4)``; the last one is 0.
    """
    way = goal[..., :2] - cube[..., :2]
    left = np.linalg.norm(way, axis=-1, keepdims=True)
    ahead = way / np.maximum(left, 1e-9)
    seen = grip[..., :2] - cube[..., :2]
    along = (seen * ahead).sum(axis=-1, keepdims=True)
    beside = seen - along * ahead
    behind = cube[..., :2] - BEHIND * ahead
    to_behind = behind - grip[..., :2]
    height = grip[..., 2:]
    down = height < 0.5 * (LOW + HIGH)
    in_lane = (along < 0.0) & (along > -2.0 * BEHIND) & (np.linalg.norm(beside, axis=-1, keepdims=True) < LANE)
    arrived = np.linalg.norm(to_behind, axis=-1, keepdims=True) < NEAR
    # Down and in the lane: push. Above the place behind the cube: come down. Otherwise move there, high up.
    pushing = np.where(down, in_lane, False)
    ahead_of_gripper = np.maximum(SLOW * left, 0.01) * ahead - beside
    flat = np.where(pushing, ahead_of_gripper, np.where(down & ~arrived, 0.0, to_behind))
    rise = np.where(pushing | arrived | in_lane, LOW, HIGH) - height
    action: Floats = np.concatenate([flat / REACH, rise / REACH, np.zeros_like(height)], axis=-1)
    return np.where(left < near, 0.0, action)
