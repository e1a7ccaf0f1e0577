"""The planning loss on a plane of action sequences, one panel per model."""

from collections.abc import Mapping

import numpy as np
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from numpy.typing import NDArray

PLANS: dict[str, tuple[float, float]] = {"reference": (0.0, 0.0), "first plan": (1.0, 0.0), "second plan": (0.0, 1.0)}


def plot_landscape(
    alpha: NDArray,
    beta: NDArray,
    loss: Mapping[str, NDArray],
    plans: Mapping[str, tuple[float, float]] = PLANS,
    limit: float | None = None,
    columns: int = 4,
) -> Figure:
    """Draw filled contours, all in the same colours.

    The colour norm, a power of 0.6, spreads the low losses, as in arXiv 2512.09929, Figure 2.

    Args:
        alpha: horizontal coordinates, ``(n,)``.
        beta: vertical coordinates, ``(m,)``.
        loss: the losses of each model, ``(m, n)``; one panel each.
        plans: points to mark, by name, as (alpha, beta).
        limit: losses from this value on have one colour; None: the highest finite loss.
        columns: panels per row.

    Returns:
        The figure; not registered with pyplot, so there is nothing to close.
    """
    values = np.concatenate([np.ravel(panel) for panel in loss.values()])
    finite = values[np.isfinite(values)]
    lowest = float(finite.min())
    highest = max(float(finite.max()) if limit is None else limit, lowest + 1e-12)  # else levels would coincide
    columns = min(columns, len(loss))
    rows = -(-len(loss) // columns)
    figure = Figure(figsize=(2.8 * columns + 0.8, 2.9 * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    for axis in axes.flat[len(loss) :]:
        axis.set_axis_off()
    for axis, (name, panel) in zip(axes.flat, loss.items(), strict=False):
        contours = axis.contourf(
            alpha,
            beta,
            np.ma.masked_invalid(panel),
            levels=np.linspace(lowest, highest, 50),
            norm=PowerNorm(0.6, lowest, highest),
            cmap="viridis",
            extend="max",
        )
        for (label, (x, y)), marker in zip(plans.items(), "osD^v*", strict=False):
            axis.plot(x, y, marker, color="white", markeredgecolor="black", markersize=6, label=label)
        axis.set_title(name, fontsize=9)
        axis.set_aspect("equal")
    handles, labels = axes.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, fontsize=8, loc="outside upper center", ncols=len(labels))  # not over the loss
    figure.supxlabel("alpha", fontsize=9)
    figure.supylabel("beta", fontsize=9)
    figure.colorbar(contours, ax=axes, label="planning loss", format="%.2g")
    return figure
