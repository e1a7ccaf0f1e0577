"""Frames as they were executed above frames as they were imagined: a strip, and a GIF."""

import io
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

SHOWN = 8  # columns of a strip
MILLISECONDS, PAUSE = 250, 1500  # of a GIF's frame, and of its last
EDGE = 192  # pixels of a GIF's picture, at least


@dataclass(frozen=True)
class Frames:
    """An episode in pictures, twice.

    Attributes:
        executed: pictures at the start and after each of M model steps, ``(M + 1, H, W, C)`` uint8.
        imagined: the same, as a model imagines it from the first frame and the same actions.
        steps: number of environment steps before each picture, ``(M + 1,)``.
    """

    executed: NDArray[np.uint8]
    imagined: NDArray[np.uint8]
    steps: NDArray[np.int64]


def plot_frames(episodes: dict[str, Frames]) -> Figure:
    """Draw episodes, two rows each: above what was executed, below what was imagined.

    Args:
        episodes: episodes by name; a single one may be called "".

    Returns:
        The figure; not registered with pyplot, so there is nothing to close.
    """
    columns = max(min(SHOWN, len(frames.steps)) for frames in episodes.values())
    figure = Figure(figsize=(1.3 * columns + 0.4, 2.9 * len(episodes)), layout="constrained")
    axes = figure.subplots(2 * len(episodes), columns, squeeze=False)
    for axis in axes.flat:
        axis.set_axis_off()
    for (name, frames), rows in zip(episodes.items(), axes.reshape(-1, 2, columns), strict=True):
        chosen = np.unique(np.linspace(0, len(frames.steps) - 1, columns).round().astype(int))
        for row, label in zip(rows, ("executed", "imagined"), strict=True):
            for axis, index in zip(row, chosen, strict=False):
                axis.imshow(_colours(getattr(frames, label)[index]), vmin=0, vmax=255, cmap="gray")
            row[0].set_axis_on()
            row[0].set(xticks=[], yticks=[], ylabel=f"{name}\n{label}".strip())
        for axis, index in zip(rows[0], chosen, strict=False):
            axis.set_title(f"step {frames.steps[index]}", fontsize=8)
    return figure


def animate_frames(frames: Frames) -> bytes:
    """Draw an episode as an endless GIF: on the left what was executed, on the right what was imagined."""
    scale = max(1, EDGE // frames.executed.shape[1])
    gap = np.full((len(frames.steps), frames.executed.shape[1], 2, frames.executed.shape[3]), 128, np.uint8)
    both = np.concatenate([frames.executed, gap, frames.imagined], axis=2)
    pictures = [
        Image.fromarray(_colours(each)).resize((both.shape[2] * scale, both.shape[1] * scale), Image.Resampling.NEAREST)
        for each in both
    ]
    file = io.BytesIO()
    durations = [*[MILLISECONDS] * (len(pictures) - 1), PAUSE]
    pictures[0].save(file, "GIF", save_all=True, append_images=pictures[1:], duration=durations, loop=0)
    return file.getvalue()


def _colours(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Reduce ``(H, W, C)`` to what can be shown: three colours, or the first channel."""
    return picture if picture.shape[-1] == 3 else picture[..., 0]
