"""Makes the tables of README.md and docs/ from what is in runs/ and benchmarks/.

A table to be made stands behind a comment that says how:

    <!-- table: gbplan report runs/evaluate --kinds [detour] -->          what the command prints
    <!-- table: grid runs/robustness runs/evaluate gradient-mpc -->       success by world and model, at home first
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
HOME = "default"  # the world that models are trained in
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


def grid(folder: str, home: str, planner: str) -> str:
    """Success of results named world-model-planner, a row a world, a column a model.

    First come those of the world of the trainings, in the folder ``home``, named nn-model-planner.
    """
    paths = {path.parent.name: path for path in sorted(Path(folder).glob("*/result.json"))}
    worlds = sorted({name.removesuffix(f"-base-{planner}") for name in paths if name.endswith(f"-base-{planner}")})
    for path in Path(home).glob(f"[0-9][0-9]-*-{planner}/result.json"):
        paths[f"{HOME}-{path.parent.name.partition('-')[2]}"] = path
    lines = [f"| world | {' | '.join(MODELS.values())} |", f"|---|{'---:|' * len(MODELS)}"]
    for world in [HOME, *worlds] if worlds else []:
        cells = []
        for model in MODELS:
            name = f"{world}-{model}-{planner}"
            if name not in paths:
                made_by = "reproduce" if world == HOME else "robustness"
                raise ValueError(f"{home if world == HOME else folder} lacks {name}; make it with `make {made_by}`")
            detour = json.loads(paths[name].read_text())["tasks"]["detour"]
            rate, low, high = (100 * detour["success"][key] for key in ("rate", "low", "high"))
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
    """A page with its tables made again."""

    def replace(found: re.Match[str]) -> str:
        made = make(found["how"])
        return found[1] + "".join(found["indent"] + line for line in made.splitlines(keepends=True))

    return MARKED.sub(replace, page)


if __name__ == "__main__":
    for page in map(Path, sys.argv[1:] or ["README.md", *map(str, sorted(Path("docs").glob("*.md")))]):
        page.write_text(text(page.read_text()))
