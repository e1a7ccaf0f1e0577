"""The table of results, and the command ``gbplan report``, from result files alone."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase
from itertools import product
from pathlib import Path
from typing import Any, get_args

from gbplan.files import replacing, require_writable_folder
from gbplan.plots import Theme
from gbplan.report.comparison import comparison
from gbplan.report.figures import Drawing, drawings, files_of, write_figures
from gbplan.report.markdown import markdown
from gbplan.report.own_files import MARK, require_own
from gbplan.report.page import write_page
from gbplan.report.result_files import RESULT_FILE, read_result
from gbplan.report.training_seeds import over_training_seeds


def report(
    folder: str,
    output: str | None = None,
    columns: Sequence[str] = (),
    names: Sequence[str] = ("*",),
    kinds: Sequence[str] = (),
    figures: str | None = None,
    html: str | None = None,
    trainings: Sequence[str] = (),
    compare: tuple[str, str] | None = None,
    overwrite: bool = False,
) -> None:
    """Print the results in a folder as a table (markdown), one row per result and task kind.

    Results with the same name, method and tasks but different models count as training seeds of one method, and become
    one row.

    Args:
        folder: searched, with its subfolders, for result.json files.
        output: file to write the table to as well.
        columns: prefixes of the names of the columns to show; by default all except the diagnostics.
        names: results to show, by their own name or their folder's; ``*`` matches any letters.
        kinds: task kinds to show; by default all.
        figures: folder for figures of these results and of trainings, each as PNG and SVG, light and dark.
        html: file for an HTML page with a verdict, a table of methods and planners, episodes, figures, all numbers and
            settings; it needs no other file and no network.
        trainings: folders of trainings to draw; by default ``folder``.
        compare: names of two results; prints, instead of the table, the difference of their success on the same tasks,
            paired by training seed, with 95 % interval and verdict.
        overwrite: replace files that this command has not made; it always replaces its own.

    Raises:
        FileNotFoundError: there is no such folder, or there are no results in it.
        FileExistsError: a file that this command has not made would be replaced, and ``overwrite`` is false.
        PermissionError: a file or folder cannot be written.
        ValueError: no result, task kind or column matches, or two results cannot be compared.
    """
    if not Path(folder).is_dir():
        raise FileNotFoundError(f"there is no folder {folder}; name one with results of `gbplan evaluate`")
    paths = sorted(Path(folder).rglob(RESULT_FILE))
    if not paths:
        raise FileNotFoundError(f"there are no results in {folder}; make some with `gbplan evaluate`")
    for file_path in (output, html):
        if file_path is not None:
            require_writable_folder(Path(file_path).parent)
            require_own(Path(file_path), overwrite)
    if figures is not None:
        require_writable_folder(Path(figures))
    for training in trainings:
        if not Path(training).is_dir():
            raise FileNotFoundError(f"there is no folder {training} of trainings; name one that `gbplan fit` has made")
    found = [read_result(path) for path in paths]
    for path, result in zip(paths, found, strict=True):
        with _as_results(path):
            results_table([result])
            if figures is not None or html is not None:
                drawings([(path.parent, result)], [])
    folders, chosen = [], []
    for path, result in zip(paths, found, strict=True):
        if any(fnmatchcase(each, pattern) for each in (result["name"], path.parent.name) for pattern in names):
            folders.append(path.parent)
            chosen.append(result)
    if not chosen:
        raise ValueError(
            f"no result is named {' or '.join(names)}; there are {', '.join(dict.fromkeys(r['name'] for r in found))}"
        )
    if kinds:
        there = {kind for result in chosen for kind in result["tasks"]}
        if absent := [kind for kind in kinds if kind not in there]:
            raise ValueError(f"no result has tasks of kind {' or '.join(absent)}; there are {', '.join(sorted(there))}")
        for result in chosen:
            result["tasks"] = {kind: result["tasks"][kind] for kind in kinds if kind in result["tasks"]}
    with _as_results(Path(folder)):
        table = results_table(chosen, columns) if compare is None else comparison(chosen, *compare)
    drawn: dict[str, Drawing] = {}
    if figures is not None or html is not None:
        events = [path for root in trainings or [folder] for path in Path(root).rglob("events.out.tfevents*")]
        runs = sorted({path.parent for path in events} - {path.parent for path in paths})
        with _as_results(Path(folder)):
            drawn = drawings(list(zip(folders, chosen, strict=True)), runs)
    if figures is not None:
        for name, mode in product(drawn, get_args(Theme)):
            for file_name in files_of(name, mode):
                require_own(Path(figures, file_name), overwrite)
    print(table)
    if output is not None:
        with replacing(Path(output)) as file:
            file.write(f"<!-- {MARK} -->\n\n{table}\n")
        print(f"\nthe table is in {output}")
    with _as_results(Path(folder)):
        if figures is not None:
            write_figures(drawn, Path(figures))
            print(f"figures are in {figures}: {', '.join(drawn)}")
        if html is not None:
            write_page(Path(html), folder, table_of(chosen, columns), _notes(chosen, columns), drawn, chosen)
            print(f"the page is {html}; open it in a browser")


@contextmanager
def _as_results(path: Path) -> Iterator[None]:
    """Name the file if contents with the form of a result have unexpected entries; files may come from anybody."""
    try:
        yield
    except (LookupError, TypeError, AttributeError, ArithmeticError) as error:
        raise ValueError(
            f"{path} does not contain results ({type(error).__name__}: {error}); evaluate again"
        ) from error


def results_table(results: list[dict[str, Any]], columns: Sequence[str] = (), notes: bool = True) -> str:
    """Format results as a markdown table, ordered by task kind and then as given, with notes on how to read it."""
    rows = table_of(results, columns)
    lines = markdown(rows)
    return "\n".join([*lines, "", *_notes(results, columns)] if notes else lines)


def cells_of(results: list[dict[str, Any]]) -> list[dict[str, str]]:
    """Return the rows of the table, all cells by column, ordered by task kind and then as given."""
    rows_of = over_training_seeds(results)
    kinds = list(dict.fromkeys(kind for result in rows_of for kind in result["tasks"]))
    return [
        _cells(result["name"], kind, result["tasks"][kind])
        for kind in kinds
        for result in rows_of
        if kind in result["tasks"]
    ]


def table_of(results: list[dict[str, Any]], columns: Sequence[str] = ()) -> list[list[str]]:
    """Return the cells of the table, header first."""
    cells = cells_of(results)
    header = list(dict.fromkeys(column for row in cells for column in row))
    for beginning in columns:
        if not any(column.startswith(beginning) for column in header):
            raise ValueError(f"no column begins with {beginning!r}; there are {', '.join(header)}")
    if columns:
        header = [column for column in header if column.startswith(tuple(columns))]
    else:
        blind = any(not row.get(column) for row in cells for column in row if column.startswith("error@"))
        hidden = DIAGNOSTICS[:-1] if blind else DIAGNOSTICS
        header = [column for column in header if not column.startswith(hidden)]
    return [header] + [[row.get(column, "") for column in header] for row in cells]


def _notes(results: list[dict[str, Any]], columns: Sequence[str]) -> list[str]:
    """Return notes on how to read the columns of these beginnings (without any: all columns) and on what made them."""
    commits = sorted({str(result["provenance"]["commit"] or "unknown") for result in results})
    machines = sorted({machine_of(result["provenance"]) for result in results})
    return [
        *(line for explained, *lines in NOTES if any(_shown(each, columns) for each in explained) for line in lines),
        *_blocks(results),
        *_reasons(results, columns),
        "",
        f"Commit {', '.join(commits)}; {'; '.join(machines)}.",
    ]


def _shown(column: str, columns: Sequence[str]) -> bool:
    """Whether ``columns``, beginnings of names, choose a column with this name or with names that begin so."""
    return not columns or any(column.startswith(each) or each.startswith(column) for each in columns)


def machine_of(provenance: dict[str, Any]) -> str:
    """Name processor and machine; results of older versions have no processor."""
    return ", ".join(str(provenance[key]) for key in ("processor", "machine") if key in provenance)


# Notes on columns, each with the columns that it explains.
NOTES = (
    (
        ("success",),
        "- success: the environment said at some step that the goal is reached; 95 % Wilson interval over the tasks",
        "  (for one draw of the planner's noise, which all tasks share); number of tasks. Tasks that begin solved are",
        '  drawn again. "a [b, c] / n x N": mean of n models of different training seeds, 95 % bootstrap interval',
        "  over seeds and tasks.",
    ),
    (
        ("believed",),
        "- believed: the first plan leads to the goal according to the model it was made with.",
    ),
    (
        ("within",),
        "- within r: the environment was nearer to the goal than r at some step.",
    ),
    (
        ("error", "gap", "latent error"),
        "- error@H: distance between the model's open-loop rollout and the truth, mean over the first H model steps",
        "  or as many as there are, on the expert's trajectories and on the executed ones, same tasks; error@1: of",
        "  single steps; gap@H: on the executed ones minus on the expert's. latent error@H: likewise in latents, root",
        "  mean square in standardised units.",
    ),
    (
        ("cost",),
        "- cost: of the first plans, under the model they were made with, mean.",
    ),
    (
        ("calls",),
        "- calls: model steps per plan and task, a backward pass counting as much as a forward one.",
    ),
    (
        ("ms",),
        "- ms: wall time per plan when all tasks are planned together, in one process; others may have run beside it.",
    ),
    (
        ("distance",),
        "- distance: at the end, to the goal.",
    ),
    (
        ("steps",),
        "- steps: until the goal is reached, mean over the successes.",
    ),
    (
        ("SPL",),
        "- SPL: success weighted by path length.",
    ),
    (
        ("contacts",),
        "- contacts: number of steps in contact.",
    ),
    (
        ("cosine", "gain", "landscape"),
        "- only shown by --columns: cosine@h: between the model's and the true gradient of the distance to the goal",
        "  after h model steps of the first plan, mean / number of tasks; gain: largest singular value of the",
        "  one-step Jacobian in the encoder's units, mean / 95th percentile / maximum, on states imagined along first",
        "  plans or the expert's; each model's cosine and planned gain are those at its own plans; landscape: rank",
        "  correlation of the model's planning loss with the true one, on planes through the expert's actions and two",
        "  plans of the model / number of planes.",
    ),
)

# Columns that would make the table too wide to read; errors of latents are shown where there are no others.
DIAGNOSTICS = ("cosine@", "gain ", "landscape", "latent error@")

# Columns by metric, for the notes on missing metrics.
COLUMNS = {
    "within": "within",
    "final_distance": "distance",
    "spl": "SPL",
    "contacts": "contacts",
    "expert": "expert",
    "believed_success": "believed",
    "model_error": "error, gap",
    "gradient_alignment": "cosine",
    "landscape": "landscape",
    "input_smoothness": "gain",
}


def _blocks(results: list[dict[str, Any]]) -> list[str]:
    """Explain model steps of several environment steps: a line for each length."""
    found: dict[int, dict[str, None]] = {}
    for result in results:
        if (block := result["method"].get("action_block", 1)) > 1:
            found.setdefault(block, {})[result["name"]] = None
    return [
        f"- blocks: a model step of {', '.join(names)} is {block} environment steps; error@H, gap@H, cosine@h, calls "
        "and horizons count model steps, steps and contacts those of the environment."
        for block, names in found.items()
    ]


def _reasons(results: list[dict[str, Any]], shown: Sequence[str]) -> list[str]:
    """Explain empty columns: a line for each reason."""
    found: dict[str, tuple[dict[str, None], dict[str, None]]] = {}
    for result in results:
        for metrics in result["tasks"].values():
            for metric, column in COLUMNS.items():
                parts = ["error", "gap"] if metric == "expert" else column.split(", ")
                reason = metrics["missing"].get(metric)
                if reason and any(_shown(part, shown) for part in parts):
                    columns, names = found.setdefault(reason, ({}, {}))
                    columns[column] = names[result["name"]] = None
    return [
        f"- empty: {', '.join(columns)} of {', '.join(names)}: {reason}." for reason, (columns, names) in found.items()
    ]


def _cells(name: str, kind: str, metrics: dict[str, Any]) -> dict[str, str]:
    """Make one row, by column; columns that do not apply are left out."""
    success = metrics["success"]
    rate, low, high = (_percent(success[key]) for key in ("rate", "low", "high"))
    row = {
        "result": name,
        "tasks": kind,
        "success %": f"{rate} [{low}, {high}] / "
        + (f"{metrics['models']} x {metrics['count']}" if "models" in metrics else str(metrics["count"])),
        "believed %": _percent(metrics["believed_success"]["rate"]) if metrics["believed_success"] else "",
    }
    row |= {f"within {radius} %": _percent(within["rate"]) for radius, within in (metrics["within"] or {}).items()}
    row |= {
        "distance": _number((metrics["final_distance"] or {}).get("mean"), 2),
        "steps": _number(metrics["steps_to_success"], 1),
        "SPL": _number(metrics["spl"], 2),
        "contacts": _number(metrics["contacts"], 1),
    }
    if metrics["model_error"]:
        row |= _errors(metrics["model_error"])
    if metrics["planning"]:
        row["cost"] = _number(metrics["planning"].get("first_cost"), 3)
        row["calls / plan"] = f"{metrics['planning']['model_calls_per_plan']:,.0f}"
        row["ms / plan"] = f"{1000 * metrics['planning']['seconds_per_plan']:.1f}"
    return row | _diagnostics(metrics)


def _errors(error: dict[str, Any]) -> dict[str, str]:
    """Format the columns of a model's errors."""
    row, horizon = {}, error["horizon"]
    along = {trajectories: error[trajectories] for trajectories in ("expert", "planned") if trajectories in error}
    for trajectories, found in along.items():
        row[f"error@1 {trajectories}"] = _number(found["one_step"], 4)
        row[f"error@{horizon} {trajectories}"] = _number(found["open_loop"], 4)
    if None not in (planned := along["planned"]["open_loop"], expert := along.get("expert", {}).get("open_loop")):
        row[f"gap@{horizon}"] = _number(planned - expert, 4)
    for trajectories, found in along.items():
        row[f"latent error@{horizon} {trajectories}"] = _number(found["latent_open_loop"], 4)
    return row


def _diagnostics(metrics: dict[str, Any]) -> dict[str, str]:
    """Format the columns of ``Diagnostics``; results without diagnostics have none."""
    row = {}
    alignment = dict(metrics.get("gradient_alignment") or {})
    tasks = alignment.pop("tasks", 0)
    for horizon, found in alignment.items():
        counted = round(tasks * (1 - found["excluded"]))
        row[f"cosine@{horizon}"] = f"{_number(found['cosine'], 2) or '-'} / {counted}"
    for where, units in (metrics.get("input_smoothness") or {}).items():
        gain = units["environment"]
        row[f"gain {where}"] = " / ".join(_number(gain[statistic], 2) or "-" for statistic in ("mean", "p95", "max"))
    if metrics.get("landscape"):
        agreement = metrics["landscape"]
        row["landscape"] = f"{_number(agreement['rank_correlation'], 2) or '-'} / {agreement['tasks']}"
    return row


def _percent(rate: float) -> str:
    return f"{100 * rate:.1f}"


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:z.{digits}f}"  # z: no -0.00
