"""Two methods on the same tasks: which is ahead, from result files alone."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gbplan.report.intervals import paired_difference
from gbplan.report.markdown import markdown
from gbplan.report.result_files import read_tasks
from gbplan.report.training_seeds import over_training_seeds

NOTES = (
    "- difference: in points of success, mean over training seeds and tasks; 95 % bootstrap interval over both, which",
    "  are paired: the same task, and models of the same training seed. What was not trained stands beside every seed.",
    "- verdict: no difference, unless the interval leaves out zero. Of one seed it is about this training only.",
)


class Difference(NamedTuple):
    """How far one method is ahead of another.

    Attributes:
        mean: of the success, in [-1, 1].
        low: end of its 95 % interval.
        high: its other end.
        models: pairs of models, by training seed.
        tasks: that each model faced.
    """

    mean: float
    low: float
    high: float
    models: int
    tasks: int


def comparison(results: list[dict[str, Any]], name: str, other: str) -> str:
    """Compare two results, or two methods of several training seeds; a markdown table and how to read it.

    Raises:
        ValueError: as ``compared`` does.
    """
    rows = compared(results, name, other)
    return "\n".join([*markdown([list(rows[0]), *(list(row.values()) for row in rows)]), "", *NOTES])


def compared(results: list[dict[str, Any]], name: str, other: str) -> list[dict[str, str]]:
    """The rows of a comparison, one a task kind: cells by column.

    Args:
        results: contents of result files, with the folders they lie in.
        name: the first result.
        other: the second, whose success is subtracted.

    Raises:
        ValueError: no result is named so, or one name is that of different methods; the tasks are not the same; or the
            two share no training seed.
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
        others: those of the other.
        kind: of tasks.

    Raises:
        ValueError: the tasks are not the same, or the two share no training seed.
    """
    solved, by_other = _pairs(ones, others, kind)
    return Difference(*paired_difference(solved, by_other), *solved.shape)


def _named(results: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    """Results of that name: a single one, or those of several training seeds."""
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
    """Which tasks were solved, ``(S, T)`` each, rows of the same training seed."""
    by_seed, others_by_seed = _by_seed(ones), _by_seed(others)
    seeds = sorted(by_seed.keys() & others_by_seed.keys(), key=str)
    if None in by_seed or None in others_by_seed:  # not trained here: there is one only, which is beside each
        seeds = list(others_by_seed if None in by_seed else by_seed)
        by_seed, others_by_seed = (
            dict.fromkeys(seeds, each[None]) if None in each else each for each in (by_seed, others_by_seed)
        )
    if not seeds:
        raise ValueError(
            f"{ones[0]['name']} has training seeds {', '.join(map(str, by_seed))} and {others[0]['name']} "
            f"{', '.join(map(str, others_by_seed))}, which make no pair; train both with the same seed"
        )
    first = [read_tasks(by_seed[seed], kind) for seed in seeds]
    second = [read_tasks(others_by_seed[seed], kind) for seed in seeds]
    environment, *environments = (result["environment"] for result in (*ones, *others))
    start, *starts = (columns.get("start_distance", np.zeros(0)) for columns in (*first, *second))
    if any(each != environment for each in environments) or not all(np.array_equal(start, each) for each in starts):
        raise ValueError(
            f"{ones[0]['name']} and {others[0]['name']} have other {kind} tasks than each other; "
            "evaluate both on the same"
        )
    solved, by_other = (np.stack([columns["first_hit"] >= 0 for columns in side]) for side in (first, second))
    return solved, by_other


def _by_seed(results: list[dict[str, Any]]) -> dict[int | None, dict[str, Any]]:
    """Results by the training seed of their model, None for what was not trained here."""
    found: dict[int | None, dict[str, Any]] = {}
    for result in results:
        seed = ((result.get("training") or {}).get("data") or {}).get("seed")
        found[seed if isinstance(seed, int) else None] = result
    if len(found) < len(results):
        raise ValueError(f"several models of {results[0]['name']} are of one training seed, so they make no pairs")
    return found
