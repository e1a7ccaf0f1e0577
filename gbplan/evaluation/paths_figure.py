"""The figure of imagined and executed paths."""

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
    background: ArrayLike | None,
    radius: float | None,
    shown: int = 8,
) -> Any:
    """Draw the first episodes, if the goal space is a plane.

    Args:
        trajectories: N executed episodes.
        imagined: predicted path of each task's first plan, ``(N, H, 2)``; None draws none.
        goals: goals, ``(N, 2)``.
        success: whether each task succeeded, ``(N,)``; colours the path.
        background: line segments, ``(W, 2, 2)``; None draws none.
        radius: radius of the goal region, environment units; None without one.
        shown: upper limit of episodes to draw.

    Returns:
        A matplotlib figure; None if the goal space is not a plane.
    """
    positions = trajectories.observations["achieved_goal"]
    if positions.shape[1:] != (2,):
        return None
    executed = [positions[episode] for episode in trajectories.episodes()][:shown]
    paths = None if imagined is None else list(imagined[:shown])
    segments = None if background is None else np.asarray(background)
    return plot_paths(executed, goals[:shown], success[:shown], paths, segments, radius)
