"""How far from a goal it counts as reached."""

import gymnasium as gym
import numpy as np
from numpy.typing import ArrayLike

from gbplan.envs import offer


def success_radius(envs: gym.vector.VectorEnv, start: ArrayLike, goal: ArrayLike) -> float | None:
    """Find where success begins on the straight way to a goal, by bisection.

    Args:
        envs: the environment.
        start: where the goal is not reached, ``(*G)``.
        goal: the goal, ``(*G)``.

    Returns:
        The distance to the goal there; None where the environment offers no distance between goals, or does not say
        whether one is reached from another.
    """
    distance, reached = offer(envs, "goal_distance"), offer(envs, "compute_success")
    if distance is None or reached is None:
        return None
    away, goal = np.asarray(start, np.float64), np.asarray(goal, np.float64)
    near, far = 0.0, 1.0  # shares of the way back to the start
    for _ in range(60):
        middle = (near + far) / 2
        if reached(goal + middle * (away - goal), goal):
            near = middle
        else:
            far = middle
    return float(distance(goal + far * (away - goal), goal))
