"""Figures from arrays and result files. Needs numpy and matplotlib only."""

from gbplan.plots.curves import Curve, plot_panels, plot_success
from gbplan.plots.filmstrip import plot_filmstrip
from gbplan.plots.frames import Frames, animate_frames, plot_frames
from gbplan.plots.landscape import plot_landscape
from gbplan.plots.theme import COLORS, Theme, save, theme
from gbplan.plots.trajectories import plot_paths

__all__ = [
    "COLORS",
    "Curve",
    "Frames",
    "Theme",
    "animate_frames",
    "plot_filmstrip",
    "plot_frames",
    "plot_landscape",
    "plot_panels",
    "plot_paths",
    "plot_success",
    "save",
    "theme",
]
