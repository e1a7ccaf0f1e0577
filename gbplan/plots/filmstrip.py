"""An episode as a strip of pictures."""

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from gbplan.plots.trajectories import EXECUTED, IMAGINED, draw_goal


def plot_filmstrip(
    executed: NDArray,
    goal: NDArray,
    imagined: NDArray | None = None,
    background: NDArray | None = None,
    radius: float | None = None,
    frames: int = 6,
    action_block: int = 1,
) -> Figure:
    """Draw an episode in the plane at several times, from its start to its end.

    Args:
        executed: positions visited, ``(T + 1, 2)``.
        goal: position of the goal, ``(2,)``.
        imagined: positions the model predicted for the first plan, one per model step, ``(H, 2)``; drawn up to the
            episode's current step.
        background: line segments behind the path, ``(W, 2, 2)``; None draws none.
        radius: radius of the goal region, environment units; None marks the goal with a cross.
        frames: number of pictures.
        action_block: environment steps in a model step.

    Returns:
        The figure; not registered with pyplot, so there is nothing to close.
    """
    ink = matplotlib.rcParams["text.color"]
    figure = Figure(figsize=(1.9 * frames, 2.1), layout="constrained")
    axes = figure.subplots(1, frames, sharex=True, sharey=True, squeeze=False)[0]
    for axis, step in zip(axes, np.linspace(0, len(executed) - 1, frames).round().astype(int), strict=True):
        for segment in background if background is not None else ():
            axis.plot(segment[:, 0], segment[:, 1], color=ink, linewidth=2)
        if imagined is not None:
            axis.plot(*imagined[: step // action_block].T, "--", color=IMAGINED, linewidth=1.2)
        axis.plot(*executed[: step + 1].T, color=EXECUTED, linewidth=1.5)
        axis.plot(*executed[step], "o", color=ink, markersize=5)
        draw_goal(axis, goal, radius)
        axis.set_aspect("equal")
        axis.set_title(f"step {step}", fontsize=8)
    return figure
