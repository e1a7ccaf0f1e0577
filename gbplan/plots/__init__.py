"""Figures from arrays and result files. Needs numpy and matplotlib only."""

from gbplan.plots.landscape import plot_landscape
from gbplan.plots.trajectories import plot_paths

__all__ = ["plot_landscape", "plot_paths"]
