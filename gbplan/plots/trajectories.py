"""Paths in the plane: imagined ones dashed, executed ones solid."""

from collections.abc import Sequence

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Circle
from numpy.typing import NDArray

IMAGINED, EXECUTED, FAILED = "#0072B2", "#009E73", "#D55E00"  # Okabe and Ito: colour-blind safe


def plot_paths(
    executed: Sequence[NDArray],
    goals: NDArray,
    success: NDArray,
    imagined: Sequence[NDArray] | None = None,
    background: NDArray | None = None,
    radius: float | None = None,
    columns: int = 4,
    titles: Sequence[str] = (),
) -> Figure:
    """Draw one panel per task.

    Args:
        executed: positions visited, ``(T + 1, 2)`` each.
        goals: goal positions, ``(N, 2)``.
        success: whether each task succeeded, ``(N,)`` bool; colours the executed path.
        imagined: positions the model predicted for the first plan, ``(H, 2)`` each; None draws none.
        background: line segments behind the paths, such as walls, ``(W, 2, 2)`` as pairs of end points; None draws
            none.
        radius: radius of the goal region, environment units; None marks the goal with a cross.
        columns: panels per row.
        titles: titles of the columns; without titles, each panel shows whether the goal was reached.

    Returns:
        The figure; not registered with pyplot, so there is nothing to close.
    """
    rows = -(-len(executed) // columns)
    ink = matplotlib.rcParams["text.color"]
    figure = Figure(figsize=(2.4 * columns, 2.4 * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    for index, axis in enumerate(axes.flat):
        axis.set_aspect("equal")
        if index >= len(executed):
            axis.set_axis_off()
            continue
        for segment in background if background is not None else ():
            axis.plot(segment[:, 0], segment[:, 1], color=ink, linewidth=2)
        path = executed[index]
        if imagined is not None:
            axis.plot(imagined[index][:, 0], imagined[index][:, 1], "--", color=IMAGINED, linewidth=1.2)
        axis.plot(path[:, 0], path[:, 1], color=EXECUTED if success[index] else FAILED, linewidth=1.5)
        axis.plot(*path[0], "o", color=ink, markersize=4)
        draw_goal(axis, goals[index], radius)
        if not titles:
            axis.set_title("reached" if success[index] else "missed", fontsize=8)
        elif index < columns:
            axis.set_title(titles[index], fontsize=8)
    if len(executed):
        handles = [
            Line2D([], [], color=EXECUTED, label="executed, reached"),
            Line2D([], [], color=FAILED, label="executed, missed"),
        ]
        if imagined is not None:
            handles.append(Line2D([], [], color=IMAGINED, linestyle="--", label="imagined"))
        figure.legend(handles=handles, fontsize=8, loc="outside lower center", ncols=min(3, columns))
    return figure


def draw_goal(axis: Axes, goal: NDArray, radius: float | None) -> None:
    """Draw a goal region as a circle, or as a cross if it has no radius."""
    ink = matplotlib.rcParams["text.color"]
    x, y = (float(coordinate) for coordinate in goal)
    if radius is None:
        axis.plot(x, y, "x", color=ink, markersize=6)
    else:
        axis.add_patch(Circle((x, y), radius, facecolor="none", edgecolor=ink, linewidth=1))
