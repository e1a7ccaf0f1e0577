"""The figure of what was imagined and what was executed."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gbplan.data import Trajectories
from gbplan.plots import plot_paths


def paths_figure(
    trajectories: Trajectories,
    imagined: NDArray | None,
    goals: NDArray,
    success: NDArray[np.bool_],
    walls: ArrayLike | None,
    threshold: float,
    shown: int = 8,
) -> Any:
    """Draw the first episodes of a goal space that is a plane.

    Args:
        trajectories: N executed episodes.
        imagined: what the model predicted for the first plan of each, ``(N, H, 2)``; None draws nothing.
        goals: ``(N, 2)``.
        success: which of them succeeded, ``(N,)``; colours the path.
        walls: wall segments, ``(W, 2, 2)``; None draws none.
        threshold: radius of the goal region, environment units.
        shown: number of episodes to draw, at most.

    Returns:
        A matplotlib figure.
    """
    positions = trajectories.observations["achieved_goal"]
    executed = [positions[episode] for episode in trajectories.episodes()][:shown]
    paths = None if imagined is None else list(imagined[:shown])
    segments = None if walls is None else np.asarray(walls)
    return plot_paths(executed, goals[:shown], success[:shown], paths, segments, threshold)
