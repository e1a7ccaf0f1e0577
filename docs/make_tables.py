"""Makes the tables of README.md and docs/ anew from what is in runs/ and benchmarks/.

A table to be made stands behind a comment that says how:

    <!-- table: gbplan report runs/evaluate --kinds [detour] -->          what the command prints
    <!-- table: grid runs/robustness gradient-mpc -->                     success by world and model
    <!-- table: copy benchmarks/planner_comparison.md 1 -->               the first table of another page

    python docs/make_tables.py [PAGE ...]
"""

import contextlib
import io
import json
import re
import shlex
import sys
from pathlib import Path

from gbplan.cli import main as gbplan

TABLE = r"(?:^ *\|.*\n)+"
MARKED = re.compile(rf"(^(?P<indent> *)<!-- table: (?P<how>.*?) -->\n)(?P<table>{TABLE})", re.MULTILINE)
MODELS = {
    "base": "base",
    "adversarial": "adversarial",
    "online": "online",
    "online_adversarial": "online + adversarial",
}


def report(*arguments: str) -> str:
    """The table that ``gbplan report`` prints."""
    if arguments[0] != "report":
        raise ValueError(f"tables are made by gbplan report, got gbplan {arguments[0]}")
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        gbplan(list(arguments))
    return "".join(line for line in printed.getvalue().splitlines(keepends=True) if line.startswith("|"))


def grid(folder: str, planner: str) -> str:
    """Success of results named world-model-planner: a row a world, a column a model."""
    results = {path.parent.name: json.loads(path.read_text()) for path in sorted(Path(folder).glob("*/result.json"))}
    worlds = sorted({name.removesuffix(f"-base-{planner}") for name in results if name.endswith(f"-base-{planner}")})
    lines = [f"| world | {' | '.join(MODELS.values())} |", f"|---|{'---:|' * len(MODELS)}"]
    for world in worlds:
        cells = []
        for model in MODELS:
            if f"{world}-{model}-{planner}" not in results:
                raise ValueError(f"{folder} lacks {world}-{model}-{planner}; make it with `make robustness`")
            (tasks,) = results[f"{world}-{model}-{planner}"]["tasks"].values()
            rate, low, high = (100 * tasks["success"]["0.1"][key] for key in ("rate", "low", "high"))
            cells.append(f"{rate:.1f} [{low:.1f}, {high:.1f}]")
        lines.append(f"| {world.replace('_', ' ')} | {' | '.join(cells)} |")
    return "".join(f"{line}\n" for line in lines) if worlds else ""


def copy(page: str, place: str) -> str:
    """A table of another page."""
    return re.findall(TABLE, Path(page).read_text(), re.MULTILINE)[int(place) - 1]


def make(how: str) -> str:
    """The table that a comment asks for."""
    kind, *arguments = shlex.split(how)
    table = {"gbplan": report, "grid": grid, "copy": copy}[kind](*arguments)
    if not table:
        raise ValueError(f"there is nothing for the table: {how}")
    return table


def text(page: str) -> str:
    """A page with its tables made anew."""

    def replace(found: re.Match[str]) -> str:
        made = make(found["how"])
        return found[1] + "".join(found["indent"] + line for line in made.splitlines(keepends=True))

    return MARKED.sub(replace, page)


if __name__ == "__main__":
    for page in map(Path, sys.argv[1:] or ["README.md", *map(str, sorted(Path("docs").glob("*.md")))]):
        page.write_text(text(page.read_text()))
