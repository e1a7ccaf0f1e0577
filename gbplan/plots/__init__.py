"""Figures from arrays and result files. Needs numpy and matplotlib only."""

from gbplan.plots.trajectories import plot_paths

__all__ = ["plot_paths"]
