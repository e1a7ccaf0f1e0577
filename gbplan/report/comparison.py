"""A paired comparison of two methods on the same tasks, from result files alone."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gbplan.report.intervals import paired_difference
from gbplan.report.markdown import markdown
from gbplan.report.result_files import read_tasks
from gbplan.report.training_seeds import over_training_seeds

NOTES = (
    "- difference: points of success, mean over training seeds and tasks, with a 95 % bootstrap interval over both.",
    "  Pairs share the task and the training seed; a method without training is paired with every seed.",
    "- verdict: no difference, unless the interval excludes zero. With one seed it is about this training only.",
)


class Difference(NamedTuple):
    """The difference in success between two methods.

    Attributes:
        mean: mean difference of success, in [-1, 1].
        low: lower end of its 95 % interval.
        high: upper end of its 95 % interval.
        models: number of pairs of models, one per training seed.
        tasks: number of tasks for each model.
    """

    mean: float
    low: float
    high: float
    models: int
    tasks: int


def comparison(results: list[dict[str, Any]], name: str, other: str) -> str:
    """Compare two results, or two methods of several training seeds: a markdown table with notes on how to read it.

    Raises:
        ValueError: as ``compared`` does.
    """
    rows = compared(results, name, other)
    return "\n".join([*markdown([list(rows[0]), *(list(row.values()) for row in rows)]), "", *NOTES])


def compared(results: list[dict[str, Any]], name: str, other: str) -> list[dict[str, str]]:
    """Return the rows of a comparison, one per task kind, as cells by column.

    Args:
        results: contents of result files, with the folders they lie in.
        name: the first result.
        other: the second result; its success is subtracted.

    Raises:
        ValueError: no result has the name, or different methods share it; the tasks are not the same; or the two share
            no training seed.
    """
    ones, others = _named(results, name), _named(results, other)
    rows = []
    for kind in (kind for kind in ones[0]["tasks"] if kind in others[0]["tasks"]):
        mean, low, high, models, tasks = difference(ones, others, kind)
        ahead = name if low > 0 else other if high < 0 else None
        rows.append(
            {
                "result": name,
                "against": other,
                "tasks": kind,
                "difference": f"{100 * mean:+z.1f} [{100 * low:+z.1f}, {100 * high:+z.1f}]",
                "seeds x tasks": f"{models} x {tasks}",
                "verdict": f"{ahead} is ahead" if ahead else "no difference",
            }
        )
    if not rows:
        raise ValueError(f"{name} and {other} have no task kind in common; evaluate both on the same")
    return rows


def difference(ones: list[dict[str, Any]], others: list[dict[str, Any]], kind: str) -> Difference:
    """Compare two results, or two methods of several training seeds, on one kind of tasks.

    Args:
        ones: the results of one method, one for each training seed.
        others: the results of the other method.
        kind: kind of tasks.

    Raises:
        ValueError: the tasks are not the same, or the two share no training seed.
    """
    solved, by_other = _pairs(ones, others, kind)
    return Difference(*paired_difference(solved, by_other), *solved.shape)


def _named(results: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    """Return the results with this name: a single one, or those of several training seeds."""
    found = [result for result in results if result["name"] == name]
    if not found:
        raise ValueError(f"no result is named {name}; there are {', '.join(dict.fromkeys(r['name'] for r in results))}")
    if len(over_training_seeds(found)) > 1:
        raise ValueError(
            f"{len(found)} results are named {name} that are not one method of several training seeds; "
            "choose the folder of one of them"
        )
    return found


def _pairs(
    ones: list[dict[str, Any]], others: list[dict[str, Any]], kind: str
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which tasks each side solved, ``(S, T)`` each; equal rows have the same training seed."""
    by_seed, others_by_seed = _by_seed(ones), _by_seed(others)
    seeds = sorted(by_seed.keys() & others_by_seed.keys(), key=str)
    if None in by_seed or None in others_by_seed:  # not trained here: the only one is paired with every seed
        seeds = list(others_by_seed if None in by_seed else by_seed)
        by_seed, others_by_seed = (
            dict.fromkeys(seeds, each[None]) if None in each else each for each in (by_seed, others_by_seed)
        )
    if not seeds:
        raise ValueError(
            f"{ones[0]['name']} has training seeds {', '.join(map(str, by_seed))} and {others[0]['name']} "
            f"{', '.join(map(str, others_by_seed))}, and none in common; train both with the same seed"
        )
    first = [read_tasks(by_seed[seed], kind) for seed in seeds]
    second = [read_tasks(others_by_seed[seed], kind) for seed in seeds]
    environment, *environments = (result["environment"] for result in (*ones, *others))
    start, *starts = (columns.get("start_distance", np.zeros(0)) for columns in (*first, *second))
    if any(each != environment for each in environments) or not all(np.array_equal(start, each) for each in starts):
        raise ValueError(
            f"{ones[0]['name']} and {others[0]['name']} have different {kind} tasks; evaluate both on the same"
        )
    solved, by_other = (np.stack([columns["first_hit"] >= 0 for columns in side]) for side in (first, second))
    return solved, by_other


def _by_seed(results: list[dict[str, Any]]) -> dict[int | None, dict[str, Any]]:
    """Index results by the training seed of their model; None for methods that were not trained here."""
    found: dict[int | None, dict[str, Any]] = {}
    for result in results:
        seed = ((result.get("training") or {}).get("data") or {}).get("seed")
        found[seed if isinstance(seed, int) else None] = result
    if len(found) < len(results):
        raise ValueError(
            f"several models of {results[0]['name']} have the same training seed, so they cannot be paired"
        )
    return found
