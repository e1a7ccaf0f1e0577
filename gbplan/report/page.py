"""One page that holds a table, its figures and the settings they come from."""

import base64
import io
import json
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any, get_args

from jinja2 import Environment, StrictUndefined

from gbplan.files import replacing
from gbplan.plots import Theme, theme
from gbplan.report.figures import Drawing
from gbplan.report.own_files import MARK

SETTINGS = ("method", "training", "environment", "provenance")


def write_page(
    path: Path,
    title: str,
    table: list[list[str]],
    notes: Sequence[str],
    drawn: dict[str, Drawing],
    results: list[dict[str, Any]],
) -> None:
    """Write an HTML page that needs no other file and no network.

    Args:
        path: where to.
        title: what the results are.
        table: cells, the header first.
        notes: how to read the table, line by line.
        drawn: the figures; each is shown in the reader's theme.
        results: contents of the result files, whose settings are shown.
    """
    template = resources.files("gbplan.report").joinpath("page.html").read_text()
    page = Environment(autoescape=True, undefined=StrictUndefined).from_string(template)
    text = page.render(
        mark=MARK,
        title=title,
        table=table,
        notes="\n".join(notes),
        figures={name: {mode: _encoded(draw, mode) for mode in get_args(Theme)} for name, draw in drawn.items()},
        results=[
            (result["name"], json.dumps({key: result[key] for key in SETTINGS if key in result}, indent=2))
            for result in results
        ],
    )
    with replacing(path) as file:
        file.write(text)


def _encoded(draw: Drawing, mode: Theme) -> str:
    memory = io.BytesIO()
    with theme(mode):
        draw().savefig(memory, format="png", dpi=130)
    return base64.b64encode(memory.getvalue()).decode()
