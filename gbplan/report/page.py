"""An HTML page: a verdict, a table of methods and planners, and folded episodes, figures, numbers and settings."""

import base64
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from jinja2 import Environment, PackageLoader, StrictUndefined
from PIL import Image

from gbplan.files import replacing
from gbplan.plots import Theme, theme
from gbplan.report.episodes import episodes
from gbplan.report.figures import CAPTIONS, Drawing
from gbplan.report.matrix import Matrix, Result, files_of, matrices
from gbplan.report.own_files import MARK
from gbplan.report.training_seeds import over_training_seeds
from gbplan.report.verdict import Number, subject, verdict

SETTINGS = ("method", "training", "environment", "provenance")
COLORS = 128
"""Number of colours of a figure: enough to look the same, at a third of the bytes."""


def write_page(
    path: Path,
    title: str,
    table: list[list[str]],
    notes: Sequence[str],
    drawn: dict[str, Drawing],
    results: list[Result],
) -> None:
    """Write an HTML page that needs no other file and no network.

    Args:
        path: the file to write.
        title: title of the page.
        table: cells of the table of all numbers, header first, ordered by task kind and then by result.
        notes: lines that explain the table.
        drawn: the figures; each is shown in the reader's theme.
        results: contents of the result files, with their folders.
    """
    environment = Environment(loader=PackageLoader("gbplan.report", "."), autoescape=True, undefined=StrictUndefined)
    environment.filters["rate"] = lambda share: f"{100 * share:.1f}"
    taken = over_training_seeds(results)
    kinds = list(dict.fromkeys(kind for result in taken for kind in result["tasks"]))
    places = {id(result): index for index, result in enumerate(taken)}
    of_rows = [result for kind in kinds for result in taken if kind in result["tasks"]]
    sections = matrices(taken)
    watched = {matrix.kind: found for matrix in sections if (found := episodes(taken, matrix.kind))}
    for matrix in sections:
        if matrix.kind in watched and (chosen := subject(matrix)):
            of_verdict = [row.cells[chosen.planner] for row in (chosen.base, chosen.best) if row]
            watched[matrix.kind]["first"] = [places[id(result)] for result in of_verdict]
    text = environment.get_template("page.html").render(
        mark=MARK,
        title=title,
        made=_made(results),
        sections=[(matrix, verdict(matrix, results)) for matrix in sections],
        place=lambda result: places[id(result)],
        source=_source,
        is_number=lambda part: isinstance(part, Number),
        highest=_highest,
        count=_count,
        effort=_effort,
        head=table[0],
        rows=list(zip(of_rows, table[1:], strict=True)),
        notes="\n".join(notes),
        episodes=watched,
        captions={name: CAPTIONS[name.partition("-")[0]] for name in drawn},
        figures={name: {mode: _encoded(draw, mode) for mode in get_args(Theme)} for name, draw in drawn.items()},
        results=[
            (result, files_of(result), json.dumps({key: result[key] for key in SETTINGS if key in result}, indent=1))
            for result in taken
        ],
    )
    with replacing(path) as file:
        file.write(text)


def _made(results: Sequence[Result]) -> list[str]:
    """Name the environments of results, and the commits that made them."""
    environments = dict.fromkeys(str(result["environment"].get("env_id", "")) for result in results)
    commits = dict.fromkeys(commit for result in results if (commit := result["provenance"]["commit"]))
    return [*filter(None, environments), *(f"commit {commit}" for commit in commits)]


def _source(results: Sequence[Result]) -> str:
    """Name the files behind a number, for a tooltip."""
    files = [file for result in results for file in files_of(result)]
    return ", ".join(files if len(files) <= 3 else [*files[:2], f"and {len(files) - 2} more"])


def _highest(matrix: Matrix, planner: str) -> float:
    """Return the highest success of a trained model with this planner; without trained models, of any model."""
    trained = [row for row in matrix.models if row.role != "model"]
    cells = [row.cells[planner] for row in trained or matrix.models if planner in row.cells]
    rates: list[float] = [cell["tasks"][matrix.kind]["success"]["rate"] for cell in cells]
    return max(rates, default=1.0)


def _count(matrix: Matrix) -> int:
    """Return the number of tasks that most cells have; other cells state their own."""
    counts = [cell["tasks"][matrix.kind]["count"] for row in matrix.rows for cell in row.cells.values()]
    return max(counts, key=counts.count)


def _effort(matrix: Matrix, planner: str) -> str:
    """Describe a column's planner and its cost."""
    cells = [row.cells[planner] for row in matrix.models if planner in row.cells]
    method = cells[0]["method"]
    planning = [metrics for cell in cells if (metrics := cell["tasks"][matrix.kind]["planning"])]
    calls = sorted({round(each["model_calls_per_plan"]) for each in planning})
    said = [str(method["planner"]["class"]), str(method.get("mode", ""))]
    if calls:
        said.append(" to ".join(f"{each:,}" for each in dict.fromkeys((calls[0], calls[-1]))) + " model calls per plan")
    return ", ".join(filter(None, said))


def _encoded(draw: Drawing, mode: Theme) -> str:
    memory, smaller = io.BytesIO(), io.BytesIO()
    with theme(mode):
        draw().savefig(memory, format="png", dpi=130)
    with Image.open(memory) as image:
        flat = image.convert("RGB").quantize(COLORS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
        flat.save(smaller, "png", optimize=True)
    return base64.b64encode(smaller.getvalue()).decode()
