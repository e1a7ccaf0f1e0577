"""The radius of the region around a goal that counts as success."""

import gymnasium as gym
import numpy as np
from numpy.typing import ArrayLike

from gbplan.envs import optional_method


def success_radius(envs: gym.vector.VectorEnv, start: ArrayLike, goal: ArrayLike) -> float | None:
    """Find where success begins on the straight line to a goal, by bisection.

    Args:
        envs: the environment.
        start: a place where the goal is not reached, ``(*G)``.
        goal: the goal, ``(*G)``.

    Returns:
        The distance to the goal there; None if the environment has no distance between goals, or no success for
        pairs of goals.
    """
    distance, reached = optional_method(envs, "goal_distance"), optional_method(envs, "compute_success")
    if distance is None or reached is None:
        return None
    away, goal = np.asarray(start, np.float64), np.asarray(goal, np.float64)
    near, far = 0.0, 1.0  # shares of the line back to the start
    for _ in range(60):
        middle = (near + far) / 2
        if reached(goal + middle * (away - goal), goal):
            near = middle
        else:
            far = middle
    return float(distance(goal + far * (away - goal), goal))
