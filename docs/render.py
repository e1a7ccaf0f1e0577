"""Puts results into README.md and docs/: tables, and numbers in sentences.

The results are in docs/results.json, the rows that ``gbplan report`` prints with all their columns, so pages can be
made without any runs. ``--results`` updates that file first, from a folder of runs.

    <!-- table: gbplan report runs/evaluate --kinds [detour] -->          the rows and columns that the command prints
    <!-- table: grid runs/robustness gradient-mpc -->                     success by world and model
    <!-- table: copy docs/planner_comparison.md 1 -->                     the first table of another page
    <!-- table: compare online-gradient-mpc:base-gradient-mpc -->         paired differences, a row a pair
    <!-- n: success("online-gradient-mpc") -->96.4<!-- /n -->             a number, with the decimals that stand there

A number is an expression of the results on detour tasks: ``success``, ``low``, ``high``, ``seeds``, ``believed``,
``gap``, and ``text`` take a result's name, and all but ``gap`` also a task other than DoorWall:
``success("base-cem-mpc", "push_t")``. ``verdict`` takes the names of a pair that some table compares; ``table`` takes a
page of ``MEASURED`` or of a benchmark, the first cell of a row, a column, and other cells that identify the row:
``table("attack_sweep", "FGSM", "expert", radius="0.05")``. ``commits("pixels/evaluate")`` names all commits of the
results in a folder of ``runs/``.

    python docs/render.py [--results runs] [PAGE ...]
"""

import argparse
import json
import re
import shlex
from collections import Counter
from collections.abc import Iterable
from fnmatch import fnmatchcase
from itertools import chain
from pathlib import Path
from typing import Any

import yaml

from gbplan.report.comparison import compared
from gbplan.report.markdown import markdown
from gbplan.report.result_files import RESULT_FILE, read_result
from gbplan.report.table import cells_of, machine_of

Row = dict[str, str]
STORE = Path("docs/results.json")
PAIRS = "comparisons"  # in the store, beside the folders
MADE_BY = {
    "runs/evaluate": "make reproduce",
    "runs/radii": "make reproduce TASK=door_wall_radii",
    "runs/ablations": "make reproduce TASK=ablations",
    "runs/robustness": "make reproduce TASK=robustness",
    "runs/point_maze/evaluate": "make reproduce TASK=point_maze",
    "runs/push_t/evaluate": "make reproduce TASK=push_t",
    "runs/push_t/plan_time_1": "make reproduce TASK=push_t",
    "runs/push_t/plan_time_64": "make reproduce TASK=push_t",
    "runs/push_t_pixels/evaluate": "make reproduce TASK=push_t_pixels",
    "runs/fetch_push/evaluate": "make reproduce TASK=fetch_push",
    "runs/pixels/evaluate": "make reproduce TASK=door_wall_pixels",
    "runs/pixels/radii": "make reproduce TASK=door_wall_pixels_radii",
    "runs/layouts/evaluate": "make reproduce TASK=door_layouts",
    "runs/rope/evaluate": "make reproduce TASK=rope",
    "runs/granular/evaluate": "make reproduce TASK=granular",
}
DOOR_WALL = ("runs/evaluate", "runs/ablations", "runs/robustness")  # whose results differ by their names alone
MEASURED = {  # pages in docs/ with results that were measured once
    "attack_sweep": "make reproduce TASK=attack_sweep",
    "planner_comparison": "make reproduce TASK=planners",
}
TABLE = r"(?:^ *\|.*\n)+"
MARKED = re.compile(rf"(^(?P<indent> *)<!-- table: (?P<how>.*?) -->\n)(?P<table>{TABLE})", re.MULTILINE)
INLINE = re.compile(r"(<!-- n: (?P<how>.*?) -->)(?P<number>[^<]*)(?=<!-- /n -->)", re.DOTALL)
NUMBER = r"\d+(?:,\d{3})*(?:\.\d+)?"
HOME = "default"  # the training world
MODELS = {
    "base": "base",
    "adversarial": "adversarial",
    "online": "online",
    "online_adversarial": "online + adversarial",
}


class Pages:
    """Makes pages from stored rows: by folder of results, cells by column, of one result and task kind each."""

    def __init__(self, store: dict[str, list[Row]]) -> None:
        self.store = store

    def text(self, page: str) -> str:
        """Return a page with updated tables and numbers.

        Raises:
            ValueError: a result is missing; says which command makes it.
        """

        def replace(found: re.Match[str]) -> str:
            kind, *arguments = shlex.split(found["how"])
            made = {"gbplan": self.report, "grid": self.grid, "compare": self.compare, "copy": copy}[kind](*arguments)
            return found[1] + "".join(found["indent"] + line for line in made.splitlines(keepends=True))

        page = MARKED.sub(replace, page)
        return INLINE.sub(lambda found: found[1] + self.inline(found["how"], found["number"]), page)

    def inline(self, how: str, standing: str) -> str:
        """Evaluate an expression, with as many decimals as the number it replaces."""
        known = {
            "success": lambda name, *of: self.numbers(name, "success %", *of)[0],
            "low": lambda name, *of: self.numbers(name, "success %", *of)[1],
            "high": lambda name, *of: self.numbers(name, "success %", *of)[2],
            "seeds": lambda name, *of: ([1.0, *self.numbers(name, "success %", *of)[3:]])[-2],
            "believed": lambda name, *of: self.numbers(name, "believed %", *of)[0],
            "gap": lambda name: self.numbers(name, "gap@25")[0],
            "number": lambda name, column, *of: self.numbers(name, column, *of)[0],
            "text": self.cell,
            "commits": self.commits,
            "verdict": lambda name, other: self.pair(name, other)["verdict"],
            "table": of_table,
        }
        value = eval(how, {"__builtins__": {}}, known)  # pages are ours, as this file is
        if isinstance(value, str):
            return value
        # Halves are rounded up, however floats represent them.
        return f"{value + 1e-9:,.{len(standing.partition('.')[2])}f}"

    def cell(self, name: str, column: str, task: str = "") -> str:
        """Return a cell of a result's row, on detour tasks if there are several kinds; the default task is DoorWall."""
        folders = (f"runs/{task}/evaluate",) if task else DOOR_WALL
        rows = [row for folder in folders for row in self.store.get(folder, []) if row["result"] == name]
        rows = [row for row in rows if column in row]
        rows = [row for row in rows if row["tasks"] == "detour"] or rows
        if not rows:
            raise ValueError(missing(f"{column} of {name}", folders))
        return rows[0][column]

    def commits(self, folder: str) -> str:
        """Return the commits of all results in a folder of ``runs/``, those of most results first."""
        cells = [row["commit"].split(", ") for row in self.store.get(f"runs/{folder}", []) if "commit" in row]
        counts = Counter(chain.from_iterable(cells))
        if not counts:
            raise ValueError(missing("commit of a result", [f"runs/{folder}"]))
        return ", ".join(commit for commit, _ in counts.most_common())

    def numbers(self, name: str, column: str, task: str = "") -> list[float]:
        """The numbers of a cell."""
        return numbers(self.cell(name, column, task))

    def pair(self, name: str, other: str) -> Row:
        """Return the comparison of one result with another."""
        for row in self.store.get(PAIRS, []):
            if (row["result"], row["against"]) == (name, other):
                return row
        raise ValueError(missing(f"comparison of {name} with {other}", ["runs/evaluate"]))

    def compare(self, *pairs: str) -> str:
        """Return the table that ``gbplan report --compare`` prints, for several pairs."""
        rows = [self.pair(*pair.split(":")) for pair in pairs]
        return "\n".join(markdown([list(rows[0]), *(list(row.values()) for row in rows)])) + "\n"

    def report(self, command: str, folder: str, *options: str) -> str:
        """Return the table that ``gbplan report`` prints."""
        if command != "report":
            raise ValueError(f"tables are made by gbplan report, got gbplan {command}")
        given = {"--kinds": [], **dict(zip(options[::2], map(yaml.safe_load, options[1::2]), strict=True))}
        names, kinds, columns = given.pop("--names"), given.pop("--kinds"), given.pop("--columns")
        if given:
            raise ValueError(f"a table is told by --names, --kinds and --columns, got {', '.join(given)}")
        folders = DOOR_WALL if folder == "runs" else [key for key in self.store if Path(key).is_relative_to(folder)]
        there = [row for key in folders for row in self.store.get(key, [])]
        if absent := [name for name in names if not any(fnmatchcase(row["result"], name) for row in there)]:
            raise ValueError(missing(f"{' and '.join(absent)} in {folder}", [folder] if folder in MADE_BY else MADE_BY))
        there = [row for row in there if any(fnmatchcase(row["result"], name) for name in names)]
        kinds = kinds or list(dict.fromkeys(row["tasks"] for row in there))
        rows = [row for kind in kinds for row in there if row["tasks"] == kind]
        there_are = dict.fromkeys(column for row in rows for column in row)
        header = [column for beginning in columns for column in there_are if column.startswith(beginning)]
        return "\n".join(markdown([header, *([row.get(column, "") for column in header] for row in rows)])) + "\n"

    def grid(self, folder: str, planner: str) -> str:
        """Return a table of success: a row per world, a column per model, the training world first."""
        found = {row["result"]: row["success %"].partition(" / ")[0] for row in self.store.get(folder, [])}
        worlds = sorted({name.removesuffix(f"-base-{planner}") for name in found if name.endswith(f"-base-{planner}")})
        worlds = [HOME, *(world for world in worlds if world not in (HOME, "small_steps"))]
        lines = [f"| world | {' | '.join(MODELS.values())} |", f"|---|{'---:|' * len(MODELS)}"]
        for world in worlds:
            names = [f"{world}-{model}-{planner}" for model in MODELS]
            if absent := [name for name in names if name not in found]:
                raise ValueError(missing(f"{' and '.join(absent)} in {folder}", [folder]))
            lines.append(f"| {world.replace('_', ' ')} | {' | '.join(found[name] for name in names)} |")
        return "".join(f"{line}\n" for line in lines)


def numbers(cell: str) -> list[float]:
    """The numbers of a cell."""
    return [float(number.replace(",", "")) for number in re.findall(NUMBER, cell)]


def missing(what: str, folders: Iterable[str]) -> str:
    """Return the error for a missing result, with the command that makes it."""
    commands = " or ".join(f"`{MADE_BY[folder]}`" for folder in folders)
    return f"{STORE} has no {what}; make it with {commands}, then `make documents`"


def copy(page: str, place: str) -> str:
    """Return a table of another page."""
    return re.findall(TABLE, Path(page).read_text(), re.MULTILINE)[int(place) - 1]


def of_table(name: str, row: str, column: str, beside: str | None = None, **others: str) -> float:
    """Return the first number of a cell in a page's tables; in the table with column ``beside``, if given."""
    page = Path("docs" if name in MEASURED else "benchmarks", f"{name}.md")
    found = set()
    for table in re.findall(TABLE, page.read_text(), re.MULTILINE):
        header, _, *lines = (
            [cell.strip() for cell in line.strip().strip("|").split("|")] for line in table.splitlines()
        )
        for line in lines:
            cells = dict(zip(reversed(header), reversed(line), strict=True))  # the first of columns with one name
            if line[0] == row and {column, beside or column} <= cells.keys() and others.items() <= cells.items():
                found.add(cells[column])
    if len(found) != 1:
        told = "".join(f", {key} {value}" for key, value in others.items())
        raise ValueError(
            f"{page} has {len(found)} cells in {column!r} of {row!r}{told}, expected one; "
            f"make it with `{MEASURED.get(name, f'python benchmarks/{name}.py')}`"
        )
    return numbers(found.pop())[0]


def rows_of(results: list[dict[str, Any]]) -> list[Row]:
    """Return rows of results with their provenance."""
    rows = cells_of(results)
    for row in rows:
        made = [result["provenance"] for result in results if result["name"] == row["result"]]
        row["commit"] = ", ".join(sorted({str(by["commit"]) for by in made}))
        row["machine"] = "; ".join(sorted({machine_of(by) for by in made}))
    return [{column: cell for column, cell in row.items() if cell} for row in rows]


def read(folder: Path) -> list[dict[str, Any]]:
    """The results in a folder."""
    return [read_result(path) for path in sorted(folder.glob(f"*/{RESULT_FILE}"))]


def take_over(runs: Path, store: dict[str, list[Row]], pairs: Iterable[tuple[str, str]] = ()) -> None:
    """Replace the stored results of the folders in ``runs``; other results stay."""
    home = read(runs / "evaluate")
    for folder in MADE_BY:
        rows = rows_of(read(runs / Path(folder).relative_to("runs")))
        if folder == "runs/robustness" and rows:  # of seed 0, as those models are
            first = [result for result in home if not re.search(r"-seed\d+$", Path(result["folder"]).name)]
            named = [result | {"name": f"{HOME}-{result['name']}"} for result in first]
            wanted = {f"{HOME}-{model}-{planner}" for model in MODELS for planner in ("gradient-mpc", "cem-mpc")}
            rows += [row for row in rows_of(named) if row["result"] in wanted and row["tasks"] == "detour"]
        new = {(row["result"], row["tasks"]) for row in rows}
        store[folder] = rows + [row for row in store.get(folder, []) if (row["result"], row["tasks"]) not in new]
    there = {result["name"] for result in home}
    rows = [row for pair in pairs if set(pair) <= there for row in compared(home, *pair) if row["tasks"] == "detour"]
    new = {(row["result"], row["against"]) for row in rows}
    store[PAIRS] = rows + [row for row in store.get(PAIRS, []) if (row["result"], row["against"]) not in new]


def write(store: dict[str, list[Row]]) -> str:
    """Return the store as text, one row per line."""
    folders = (
        f' "{folder}": [\n' + ",\n".join(f"  {json.dumps(row)}" for row in rows) + "\n ]"
        for folder, rows in store.items()
    )
    return "{\n" + ",\n".join(folders) + "\n}\n"


def main() -> None:
    """Update the store, and write the pages."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, help="folder of runs to take results from")
    parser.add_argument("pages", nargs="*", type=Path, default=[Path("README.md"), *sorted(Path("docs").glob("*.md"))])
    arguments = parser.parse_args()
    store = json.loads(STORE.read_text())
    if arguments.results is not None:
        tables = (found["how"].split() for page in arguments.pages for found in MARKED.finditer(page.read_text()))
        pairs = [tuple(pair.split(":")) for kind, *given in tables if kind == "compare" for pair in given]
        take_over(arguments.results, store, pairs)
        STORE.write_text(write(store))
    for page in arguments.pages:
        page.write_text(Pages(store).text(page.read_text()))


if __name__ == "__main__":
    main()
