"""Light and dark themes for figures, in colours for the colour-blind."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import matplotlib
from cycler import cycler
from matplotlib.figure import Figure

from gbplan.files import replacing

Theme = Literal["light", "dark"]

# The colours of Okabe and Ito without yellow, invisible on white, and black, invisible on dark.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#999999")
_INK = {"light": ("#ffffff", "#1b1b1b", "#d0d0d0"), "dark": ("#14171c", "#e8e8e8", "#454a52")}


@contextmanager
def theme(name: Theme) -> Iterator[None]:
    """Use a theme's background and text colours for figures made and saved inside."""
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
        "svg.hashsalt": "gbplan",  # the same figure gives the same file
    }
    with matplotlib.rc_context(settings):
        yield


def save(figure: Figure, path: Path, made_by: str = "gbplan") -> None:
    """Write a figure atomically; the same figure gives the same file.

    Args:
        figure: the figure.
        path: the file, PNG or SVG by its suffix.
        made_by: the creator named in the file's metadata.
    """
    metadata = {"Date": None, "Creator": made_by} if path.suffix == ".svg" else {"Software": made_by}
    with replacing(path, "wb") as file:
        figure.savefig(file, format=path.suffix[1:], dpi=160, metadata=metadata)
