"""Lines with bands, and points with intervals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from numpy.typing import ArrayLike

_MARKERS = "os^Dv<>P"


@dataclass(frozen=True)
class Curve:
    """A line.

    Attributes:
        x: ``(n,)``.
        y: ``(n,)``; NaN leaves a gap.
        low: lower ends of the intervals, ``(n,)``; None draws none.
        high: upper ends.
        family: curves of one family have one colour; None: a colour of its own.
        dashed: whether the line is dashed.
    """

    x: ArrayLike
    y: ArrayLike
    low: ArrayLike | None = None
    high: ArrayLike | None = None
    family: str | None = None
    dashed: bool = False


def plot_curves(
    curves: Mapping[str, Curve], x: str, y: str, *, log_x: bool = False, percent: bool = False, markers: bool = False
) -> Figure:
    """Draw curves into one panel.

    Args:
        curves: by their names in the legend.
        x: label of the horizontal axis.
        y: label of the vertical axis.
        log_x: whether the horizontal axis is logarithmic.
        percent: whether ``y`` is a share, to be shown in percent.
        markers: whether the points are marked; few points should be.

    Returns:
        The figure; not registered with pyplot, so there is nothing to close.
    """
    figure = Figure(figsize=(6.4, max(3.6, 0.6 + 0.17 * len(curves))), layout="constrained")  # room for the legend
    axis = figure.subplots()
    colors = matplotlib.rcParams["axes.prop_cycle"].by_key()["color"]
    families = list(dict.fromkeys(curve.family or name for name, curve in curves.items()))
    # Where colours repeat, markers tell the curves apart: there are as many of one as of the other, plus one.
    marked = markers or len(families) > len(colors)
    for name, curve in curves.items():
        place = families.index(curve.family or name)
        color = colors[place % len(colors)]
        marker = _MARKERS[place % len(_MARKERS)] if marked else None
        axis.plot(curve.x, curve.y, "--" if curve.dashed else "-", color=color, marker=marker, markersize=5, label=name)
        if curve.low is not None and curve.high is not None:
            axis.fill_between(np.asarray(curve.x), curve.low, curve.high, color=color, alpha=0.15, linewidth=0)
    axis.set(xlabel=x, ylabel=y)
    axis.grid(True)
    if log_x:
        axis.set_xscale("log")
    if percent:
        axis.yaxis.set_major_formatter(PercentFormatter(1.0))
    axis.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def plot_success(
    names: Sequence[str], rate: ArrayLike, low: ArrayLike, high: ArrayLike, believed: Sequence[float | None], title: str
) -> Figure:
    """Draw what succeeded, with intervals, and what was believed to.

    Args:
        names: N results, from top to bottom.
        rate: share that succeeded, ``(N,)``.
        low: lower ends of the intervals, ``(N,)``.
        high: upper ends.
        believed: share that was believed to succeed; None: nothing was believed.
        title: of the figure.

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
    interval = np.maximum([rate - low, high - rate], 0)  # a mean of rates may be a hair outside of its range
    axis.errorbar(rate, place, xerr=interval, fmt="o", color=colors[0], markersize=5, capsize=2, label="succeeded")
    axis.set_yticks(place, names)
    axis.set_ylim(len(names) - 0.5, -0.5)
    axis.set_xlim(-0.03, 1.03)
    axis.xaxis.set_major_formatter(PercentFormatter(1.0))
    axis.grid(True, axis="x")
    axis.set_title(title, fontsize=9)
    figure.legend(loc="outside lower center", ncols=2, fontsize=8)
    return figure
