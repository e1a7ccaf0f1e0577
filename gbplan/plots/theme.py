"""Light and dark figures in colours that the colour-blind can tell apart."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import matplotlib
from cycler import cycler
from matplotlib.figure import Figure

from gbplan.files import replacing

Theme = Literal["light", "dark"]

# Okabe and Ito's, without their yellow, which vanishes on white, and their black, which vanishes on dark.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#999999")
_INK = {"light": ("#ffffff", "#1b1b1b", "#d0d0d0"), "dark": ("#14171c", "#e8e8e8", "#454a52")}


@contextmanager
def theme(name: Theme) -> Iterator[None]:
    """Give the figures that are made inside, and saved inside, the paper and the ink of a theme."""
    paper, ink, faint = _INK[name]
    inked = ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color")
    settings: Any = dict.fromkeys(inked, ink) | {
        "figure.facecolor": paper,
        "axes.facecolor": paper,
        "savefig.facecolor": paper,
        "legend.facecolor": paper,
        "legend.edgecolor": faint,
        "legend.framealpha": 0.8,
        "grid.color": faint,
        "grid.linewidth": 0.6,
        "axes.grid": False,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.prop_cycle": cycler(color=COLORS),
        "font.size": 9,
        "svg.hashsalt": "gbplan",  # the same figure, the same file
    }
    with matplotlib.rc_context(settings):
        yield


def save(figure: Figure, path: Path, made_by: str = "gbplan") -> None:
    """Write a figure, complete or not at all; the same figure, the same file.

    Args:
        figure: what to write.
        path: where to, PNG or SVG by its ending.
        made_by: what the file says of itself, in its metadata.
    """
    metadata = {"Date": None, "Creator": made_by} if path.suffix == ".svg" else {"Software": made_by}
    with replacing(path, "wb") as file:
        figure.savefig(file, format=path.suffix[1:], dpi=160, metadata=metadata)
