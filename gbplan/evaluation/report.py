"""The results table, from result files alone."""

from pathlib import Path
from typing import Any

from gbplan.evaluation.results import RESULT_FILE, read_result, replacing

COLUMNS = (
    "result",
    "tasks",
    "success %",
    "believed %",
    "@0.25 / 0.5 / 1.0 %",
    "distance",
    "steps",
    "SPL",
    "contacts",
    "error, expert",
    "error, planned",
    "calls / plan",
    "ms / plan",
)


def report(folder: str = "runs/evaluate", output: str | None = None) -> None:
    """Print the results in a folder as a table (markdown), one row per result and task kind.

    Args:
        folder: searched, with its subfolders, for result.json files.
        output: file to write the table to as well.

    Raises:
        FileNotFoundError: there are no results.
    """
    paths = sorted(Path(folder).rglob(RESULT_FILE))
    if not paths:
        raise FileNotFoundError(f"there are no results in {folder}; make some with `gbplan evaluate`")
    table = results_table([read_result(path) for path in paths])
    print(table)
    if output is not None:
        with replacing(Path(output)) as file:
            file.write(table + "\n")


def results_table(results: list[dict[str, Any]]) -> str:
    """Lay results out as a markdown table, by task kind and then in the given order, with what one must know to read it."""
    kinds = list(dict.fromkeys(kind for result in results for kind in result["tasks"]))
    rows = [COLUMNS] + [
        _row(result["name"], kind, result["tasks"][kind])
        for kind in kinds
        for result in results
        if kind in result["tasks"]
    ]
    widths = [max(len(row[i]) for row in rows) for i in range(len(COLUMNS))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    commits = sorted({str(result["provenance"]["commit"]) for result in results})
    machines = sorted({result["provenance"]["machine"] for result in results})
    notes = [
        "",
        "Success: first hit of the goal region (radius 0.1) in the environment, with the 95 % Wilson interval and the",
        "number of tasks. Believed: the first plan reaches it according to the model. Error: distance between the model's",
        "open-loop rollout and the truth, mean over the first 25 steps, on the expert's and on the executed trajectories",
        "of the same tasks. Calls: model steps per plan and task, a backward pass counting as much as a forward one. Time:",
        "wall time per plan when all tasks are planned together.",
        f"Commit {', '.join(commits)}; {'; '.join(machines)}.",
    ]
    return "\n".join(lines + notes)


def _row(name: str, kind: str, metrics: dict[str, Any]) -> tuple[str, ...]:
    thresholds = list(metrics["success"].values())
    success, error, planning = thresholds[0], metrics["model_error"], metrics["planning"]
    return (
        name,
        kind,
        f"{100 * success['rate']:.1f} [{100 * success['low']:.1f}, {100 * success['high']:.1f}] / {metrics['count']}",
        "" if metrics["believed_success"] is None else f"{100 * metrics['believed_success']['rate']:.1f}",
        " / ".join(f"{100 * threshold['rate']:.0f}" for threshold in thresholds[1:]),
        f"{metrics['final_distance']['mean']:.2f}",
        _number(metrics["steps_to_success"], 1),
        _number(metrics["spl"], 2),
        _number(metrics["wall_contacts"], 1),
        "" if error is None or "expert" not in error else f"{error['expert']['open_loop']:.4f}",
        "" if error is None else f"{error['planned']['open_loop']:.4f}",
        "" if planning is None else f"{planning['model_calls_per_plan']:,.0f}",
        "" if planning is None else f"{1000 * planning['seconds_per_plan']:.1f}",
    )


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"
