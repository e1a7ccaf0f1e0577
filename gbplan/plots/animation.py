"""Paths in the plane as a GIF: first imagined, then executed."""

import io
from collections.abc import Sequence

import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from gbplan.plots.trajectories import EXECUTED, FAILED, IMAGINED, draw_goal

FRAMES = 30  # of each of the two parts
MILLISECONDS = 70  # of a frame
PAUSES = (900, 3000)  # after each part, milliseconds


def animate_paths(
    executed: Sequence[NDArray],
    imagined: Sequence[NDArray],
    goals: NDArray,
    success: NDArray,
    believed: NDArray,
    labels: Sequence[str],
    background: NDArray | None = None,
    radius: float | None = None,
) -> bytes:
    """Draw one panel per task, N in all, in as many rows as there are labels.

    Args:
        executed: positions visited, ``(T + 1, 2)`` each.
        imagined: positions that the model predicted for the first plan, ``(H, 2)`` each.
        goals: goal positions, ``(N, 2)``.
        success: whether each task succeeded, ``(N,)`` bool.
        believed: whether the first plan succeeds according to the model, ``(N,)`` bool.
        labels: labels of the rows; their number divides N.
        background: line segments behind the paths, such as walls, ``(W, 2, 2)``; None draws none.
        radius: radius of the goal region, environment units; None marks the goal with a cross.

    Returns:
        An endless GIF.
    """
    columns = len(executed) // len(labels)
    ink = matplotlib.rcParams["text.color"]
    figure = Figure(figsize=(1.2 * columns, 1.4 * len(labels) + 0.1), dpi=100, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    axes = figure.subplots(len(labels), columns, squeeze=False, sharex=True, sharey=True)
    for label, row in zip(labels, axes, strict=True):
        row[0].set_ylabel(label, fontsize=8)
    plans, paths, words = [], [], []
    for axis, plan, path, goal in zip(axes.flat, imagined, executed, goals, strict=True):
        for segment in background if background is not None else ():
            axis.plot(*np.asarray(segment).T, color=ink, linewidth=2)
        draw_goal(axis, goal, radius)
        axis.plot(*path[0], "o", color=ink, markersize=3)
        plans += axis.plot(*plan.T, "--", color=IMAGINED, linewidth=1.2, animated=True)
        paths += axis.plot(*path.T, color=ink, linewidth=1.5, animated=True)
        axis.set_title(" ", fontsize=7)  # room for the words
        words.append(axis.text(0.5, 1.04, "", ha="center", fontsize=7, transform=axis.transAxes, animated=True))
        axis.set_aspect("equal")
        axis.set_xticks([])
        axis.set_yticks([])
    if background is not None:  # anything outside the walls is cut off
        low, high = np.min(background, axis=(0, 1)), np.max(background, axis=(0, 1))
        (left, bottom), (right, top) = low - 0.08 * (high - low), high + 0.08 * (high - low)
        axes[0, 0].set(xlim=(left, right), ylim=(bottom, top))
    canvas.draw()
    still = canvas.copy_from_bbox(figure.bbox)

    def picture() -> Image.Image:
        canvas.restore_region(still)
        for axis, *artists in zip(axes.flat, plans, paths, words, strict=True):
            for artist in artists:
                axis.draw_artist(artist)
        return Image.fromarray(np.array(canvas.buffer_rgba())).convert("RGB")

    def show(lines: list, whole: Sequence[NDArray], share: float) -> None:
        step = round(share * (max(map(len, whole)) - 1))
        for line, points in zip(lines, whole, strict=True):
            line.set_data(*points[: 1 + step].T)

    def say(flags: NDArray, yes: str, no: str) -> None:
        for word, flag in zip(words, flags, strict=True):
            word.set_text(yes if flag else no)

    frames = []
    show(paths, executed, 0)
    for lines, whole in ((plans, imagined), (paths, executed)):
        for share in np.linspace(0, 1, FRAMES):
            show(lines, whole, share)
            frames.append(picture())
        if lines is plans:
            say(believed, "imagines arriving", "imagines missing")
        else:
            say(success, "reached", "missed")
            for line, word, reached in zip(paths, words, success, strict=True):
                line.set_color(EXECUTED if reached else FAILED)
                word.set_color(EXECUTED if reached else FAILED)
        frames.append(picture())
    durations = [*[MILLISECONDS] * FRAMES, PAUSES[0], *[MILLISECONDS] * FRAMES, PAUSES[1]]
    palette = _palette(ink, EXECUTED, FAILED, IMAGINED)
    first, *rest = (frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames)
    file = io.BytesIO()
    first.save(file, "GIF", save_all=True, append_images=rest, duration=durations, loop=0, optimize=False)
    return file.getvalue()


def _palette(*colors: str) -> Image.Image:
    """The palette of the frames: colours, and their blends with the background for smooth edges."""
    paper = np.array(to_rgb(matplotlib.rcParams["figure.facecolor"]))
    shares = np.linspace(0, 1, 8)[:, None]
    shades = np.concatenate([shares * np.array(to_rgb(color)) + (1 - shares) * paper for color in colors])
    palette = Image.new("P", (1, 1))
    palette.putpalette((255 * shades).round().astype(np.uint8).tobytes())
    return palette
