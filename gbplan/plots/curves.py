"""Lines with bands, and points with intervals."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import XAxis
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import (
    FixedLocator,
    LogLocator,
    MaxNLocator,
    NullLocator,
    PercentFormatter,
    StrMethodFormatter,
)
from numpy.typing import ArrayLike

_MARKERS = "os^Dv<>P"


@dataclass(frozen=True)
class Curve:
    """A line.

    Attributes:
        x: horizontal coordinates, ``(n,)``; None: ``y`` is one number, a reference level drawn across the panel.
        y: vertical coordinates, ``(n,)``; NaN leaves a gap.
        low: lower ends of the intervals, ``(n,)``; None draws none.
        high: upper ends.
        family: curves of one family have one colour; None: its own colour.
        dashed: whether the line is dashed.
    """

    x: ArrayLike | None
    y: ArrayLike
    low: ArrayLike | None = None
    high: ArrayLike | None = None
    family: str | None = None
    dashed: bool = False


def plot_panels(
    panels: Mapping[str, Mapping[str, Curve]],
    x: str,
    y: str,
    *,
    log_x: bool = False,
    ticks: Collection[float] | None = None,
    percent: bool = False,
    markers: bool = False,
    columns: int = 3,
) -> Figure:
    """Draw curves into panels side by side; curves with one name look the same in all panels.

    Args:
        panels: panels by title (a single one needs none, ``""``), with curves by name in the legend.
        x: label of the horizontal axes.
        y: label of the vertical axes.
        log_x: whether the horizontal axis is logarithmic.
        ticks: where the horizontal axis has ticks; None: at round numbers.
        percent: whether ``y`` is a share, to be shown in percent.
        markers: whether to mark the points, useful for few points.
        columns: panels per row.

    Returns:
        The figure; not registered with pyplot, so there is nothing to close.
    """
    columns = min(columns, len(panels))
    rows = -(-len(panels) // columns)
    names = list(dict.fromkeys(name for curves in panels.values() for name in curves))
    height = max(3.6 * rows, 0.6 + 0.17 * len(names))  # room for the legend
    figure = Figure(figsize=(4.0 + 2.4 * columns, height), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    colors = matplotlib.rcParams["axes.prop_cycle"].by_key()["color"]
    drawn = [(name, curve) for curves in panels.values() for name, curve in curves.items() if curve.x is not None]
    families = list(dict.fromkeys(curve.family or name for name, curve in drawn))
    # If colours repeat, markers tell the curves apart: there is one marker more than colours.
    marked = markers or len(families) > len(colors)
    shade = 0.15 if len(families) <= 4 else 0.06  # many bands lie on top of each other
    handles = {}
    for index, (title, curves) in enumerate(panels.items()):
        axis = axes.flat[index]
        for name, curve in curves.items():
            if curve.x is None:
                handles[name] = _draw_level(axis, curve, name)
                continue
            place = families.index(curve.family or name)
            color = colors[place % len(colors)]
            marker = _MARKERS[place % len(_MARKERS)] if marked else None
            style = "--" if curve.dashed else "-"
            (handles[name],) = axis.plot(curve.x, curve.y, style, color=color, marker=marker, markersize=5, label=name)
            if curve.low is not None and curve.high is not None:
                axis.fill_between(np.asarray(curve.x), curve.low, curve.high, color=color, alpha=shade, linewidth=0)
        axis.set_title(title, fontsize=9)
        axis.grid(True)
        if index + columns >= len(panels):  # nothing below it
            axis.set_xlabel(x)
            axis.tick_params(labelbottom=True)
    for axis in axes.flat[len(panels) :]:
        axis.set_axis_off()
    for axis in axes[:, 0]:
        axis.set_ylabel(y)
    _set_ticks(axes[0, 0].xaxis, log_x, ticks)
    if percent:
        axes[0, 0].yaxis.set_major_formatter(PercentFormatter(1.0))
    axes[0, -1].legend(handles=handles.values(), fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def _draw_level(axis: Axes, curve: Curve, name: str) -> Line2D:
    ink = matplotlib.rcParams["text.color"]
    if curve.low is not None and curve.high is not None:
        axis.axhspan(np.asarray(curve.low).item(), np.asarray(curve.high).item(), color=ink, alpha=0.1, linewidth=0)
    return axis.axhline(np.asarray(curve.y).item(), color=ink, linestyle=":", linewidth=1.2, label=name)


def _set_ticks(axis: XAxis, log: bool, ticks: Collection[float] | None) -> None:
    """Few enough to be read in a narrow panel, and not at fractions of a step."""
    if log:
        axis.axes.set_xscale("log")
        axis.set_minor_locator(NullLocator())
    if ticks is not None:
        axis.set_major_locator(FixedLocator(sorted(ticks)))
    elif log:
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))  # less than a decade may contain no power of ten
    else:
        axis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 5, 10], integer=True, min_n_ticks=1))
    axis.set_major_formatter(StrMethodFormatter("{x:,g}"))


def plot_success(
    names: Sequence[str], rate: ArrayLike, low: ArrayLike, high: ArrayLike, believed: Sequence[float | None], title: str
) -> Figure:
    """Draw success rates with intervals, and believed success.

    Args:
        names: N results, from top to bottom.
        rate: success rates, ``(N,)``.
        low: lower ends of the intervals, ``(N,)``.
        high: upper ends.
        believed: believed success rates; None where not known.
        title: title of the figure.

    Returns:
        The figure; not registered with pyplot, so there is nothing to close.
    """
    rate, low, high = (np.asarray(values, float) for values in (rate, low, high))
    place = np.arange(len(names))
    figure = Figure(figsize=(6.4, 0.8 + 0.26 * len(names)), layout="constrained")
    axis = figure.subplots()
    colors = matplotlib.rcParams["axes.prop_cycle"].by_key()["color"]
    for i, share in enumerate(believed):
        if share is not None:
            axis.plot([rate[i], share], [i, i], ":", color=colors[1], linewidth=1)
    shown = [i for i, share in enumerate(believed) if share is not None]
    shares = [share for share in believed if share is not None]
    axis.plot(shares, shown, "D", color=colors[1], markerfacecolor="none", markersize=5, label="believed")
    interval = np.maximum([rate - low, high - rate], 0)  # rounding may put a mean of rates slightly outside its range
    axis.errorbar(rate, place, xerr=interval, fmt="o", color=colors[0], markersize=5, capsize=2, label="succeeded")
    axis.set_yticks(place, names)
    axis.set_ylim(len(names) - 0.5, -0.5)
    axis.set_xlim(-0.03, 1.03)
    axis.xaxis.set_major_formatter(PercentFormatter(1.0))
    axis.grid(True, axis="x")
    axis.set_title(title, fontsize=9)
    figure.legend(loc="outside lower center", ncols=2, fontsize=8)
    return figure
