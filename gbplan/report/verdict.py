"""A verdict on results, in sentences whose every number comes from a result file."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from gbplan.report.comparison import Difference, difference
from gbplan.report.matrix import Matrix, Result, Row


class Number(NamedTuple):
    """A number in a sentence, with the results behind it."""

    text: str
    results: list[Result]


Sentence = list[str | Number]


class Subject(NamedTuple):
    """The subject of a verdict.

    Attributes:
        planner: the planner that was evaluated with the base model and most other models; among several, the one with
            the most success.
        base: the base model, if it was evaluated with this planner.
        finetuned: finetuned models with this planner, in the environment of the base model.
        best: the finetuned model with the most success; without finetuned ones, the best of all models.
    """

    planner: str
    base: Row | None
    finetuned: list[Row]
    best: Row


def subject(matrix: Matrix) -> Subject | None:
    """Choose the subject; None without models."""
    models = matrix.models
    if not models:
        return None
    planner = max(matrix.planners, key=lambda planner: _weight(matrix, planner))
    beside = [row for row in models if planner in row.cells]
    base = next((row for row in beside if row.role == "base"), None)
    finetuned = [
        row for row in beside if row.role == "finetuned" and (base is None or _environment(row) == _environment(base))
    ]
    best = max(finetuned or beside, key=lambda row: _rate(matrix, row, planner))
    return Subject(planner, base, finetuned, best)


def verdict(matrix: Matrix, results: list[Result]) -> list[Sentence]:
    """State what finetuning gains on one kind of tasks, whether the gain exceeds chance, and how belief compares.

    Args:
        matrix: results of the kind, averaged over training seeds.
        results: the single results, for pairing by task.
    """
    found = subject(matrix)
    if found is None:
        best = max(matrix.rows, key=lambda row: _rate(matrix, row, ""))
        count = f"the best of {len(matrix.rows)} policies" if len(matrix.rows) > 1 else "the one policy"
        return [[f"No model was evaluated here; {count}, {best.label}, solves ", *_solves(matrix, best, ""), "."]]
    planner, base, finetuned, best = found
    if base is None:
        return _without_base(matrix, planner, finetuned or [row for row in matrix.models if planner in row.cells], best)
    first: Sentence = [f"The base model, {base.label}, solves ", *_solves(matrix, base, planner), f" with {planner}"]
    if not finetuned:
        first.append("; no finetuned model stands beside it.")
        return [first, _beliefs(matrix, planner, [base], [base])]
    which = f"; the best of {len(finetuned)} finetuned models, " if len(finetuned) > 1 else "; the finetuned one, "
    first += [which, best.label, ", solves ", _number(matrix, best, planner), "."]
    return [
        first,
        _differences(matrix, planner, base, best, finetuned, results),
        _beliefs(matrix, planner, [base, best], [base, *finetuned]),
    ]


def _without_base(matrix: Matrix, planner: str, rows: list[Row], best: Row) -> list[Sentence]:
    if len(rows) == 1:
        first: Sentence = [f"There is one model with {planner}: {best.label}, which solves "]
        missing = "; there is no base model to tell it from."
    else:
        first = [f"{best.label} is the best of {len(rows)} models planned with {planner}: it solves "]
        missing = "; there is no base model beside them, so what finetuning gains is not known."
    return [[*first, *_solves(matrix, best, planner), missing], _beliefs(matrix, planner, [best], rows)]


def _differences(
    matrix: Matrix, planner: str, base: Row, best: Row, finetuned: Sequence[Row], results: list[Result]
) -> Sentence:
    """Say which finetuned models differ from the base model by more than chance."""
    ahead: list[str] = []
    behind: list[str] = []
    level: list[str] = []
    unpaired: list[str] = []
    of_best: Sentence = []
    pairs = base.cells[planner]
    models = 1
    for row in finetuned:
        result = row.cells[planner]
        try:
            gain = difference(_single(result, results), _single(pairs, results), matrix.kind)
        except ValueError:
            unpaired.append(row.label)
            continue
        if row is best:
            models = gain.models
            of_best = _gain(best, base, gain, [result, pairs])
        else:
            (ahead if gain.low > 0 else behind if gain.high < 0 else level).append(row.label)
    if not of_best:
        return [
            f"Whether {best.label} is ahead of {base.label} cannot be told task by task: they were not evaluated on "
            "the same tasks and training seeds."
        ]
    groups = (
        (ahead, "{} {} ahead"),
        (behind, "{} {} behind"),
        (level, "no difference shows for {}"),
        (unpaired, "{} cannot be paired"),
    )
    others = [form.format(_list(rows), "is" if len(rows) == 1 else "are") for rows, form in groups if rows]
    trained = (
        "It is one training of each: another seed may order them otherwise"
        if models == 1
        else f"Each was trained with {models} seeds, which the intervals count"
    )
    return ["Paired task by task, at 95 %, ", *of_best, *(f"; {each}" for each in others), f". {trained}."]


def _single(result: Result, results: list[Result]) -> list[Result]:
    """Return the single results behind an average."""
    folders = result.get("folders", [result["folder"]])
    return [each for each in results if each["folder"] in folders]


def _gain(best: Row, base: Row, gain: Difference, results: list[Result]) -> Sentence:
    mean, low, high = 100 * gain.mean, 100 * gain.low, 100 * gain.high
    if low <= 0 <= high:
        points = Number(f"{mean:+z.1f} points [{low:+z.1f}, {high:+z.1f}]", results)
        return [f"{best.label} cannot be told from {base.label}: ", points]
    sign = 1 if low > 0 else -1
    ends = sorted((sign * low, sign * high))
    points = Number(f"{sign * mean:.1f} points [{ends[0]:.1f}, {ends[1]:.1f}]", results)
    return [f"{best.label} is {'ahead of' if sign > 0 else 'behind'} {base.label} by ", points]


def _beliefs(matrix: Matrix, planner: str, rows: Sequence[Row], among: Sequence[Row]) -> Sentence:
    """Say how far belief and success are apart for ``rows``, and for the row of ``among`` that overestimates most."""
    widest = max([*rows, *among], key=lambda row: _overestimate(matrix, row, planner))  # a tie: one of rows
    parts: list[Sentence] = []
    for row in rows if any(row is widest for row in rows) else [*rows, widest]:
        result = row.cells[planner]
        metrics = result["tasks"][matrix.kind]
        if (belief := metrics["believed_success"]) is None:
            reason = metrics["missing"].get("believed_success", "it was not measured")
            parts.append([f"{row.label} has no known beliefs ({reason})"])
            continue
        gap = round(100 * (belief["rate"] - metrics["success"]["rate"]), 1)
        more = f"{abs(gap):.1f} points {'more' if gap > 0 else 'fewer'} than" if gap else "as many as"
        believed = Number(f"{100 * belief['rate']:.1f} %", [result])
        parts.append(
            [f"{row.label} believes in ", believed, " of its first plans, ", Number(more, [result]), " it solves"]
        )
    sentence: Sentence = []
    for part in parts:
        sentence += ["; ", *part] if sentence else part
    return ["Belief beside success: ", *sentence, "."]


def _overestimate(matrix: Matrix, row: Row, planner: str) -> float:
    """Return belief minus success, as shares; minus infinity without known beliefs."""
    metrics = row.cells[planner]["tasks"][matrix.kind]
    if (belief := metrics["believed_success"]) is None:
        return -math.inf
    gap: float = belief["rate"] - metrics["success"]["rate"]
    return gap


def _solves(matrix: Matrix, row: Row, planner: str) -> Sentence:
    """Return the success rate and the tasks that it is a share of."""
    result = row.cells[planner]
    metrics = result["tasks"][matrix.kind]
    split = str(result["environment"].get("split", "")).replace("_", "-")
    tasks = " ".join(filter(None, [str(metrics["count"]), split, matrix.kind, "tasks"]))
    seeds = f" (mean of {metrics['models']} training seeds)" if "models" in metrics else ""
    return [_number(matrix, row, planner), f" of {tasks}{seeds}"]


def _number(matrix: Matrix, row: Row, planner: str) -> Number:
    result = row.cells[planner]
    success = result["tasks"][matrix.kind]["success"]
    rate, low, high = (100 * success[key] for key in ("rate", "low", "high"))
    return Number(f"{rate:.1f} % [{low:.1f}, {high:.1f}]", [result])


def _rate(matrix: Matrix, row: Row, planner: str) -> float:
    rate: float = row.cells[planner]["tasks"][matrix.kind]["success"]["rate"]
    return rate


def _weight(matrix: Matrix, planner: str) -> tuple[bool, int, float]:
    """Rank a planner as a subject: evaluated with the base model, then with many models, then with much success."""
    rows = [row for row in matrix.models if planner in row.cells]
    base = any(row.role == "base" for row in rows)
    return base, len(rows), sum(_rate(matrix, row, planner) for row in rows) / len(rows)


def _environment(row: Row) -> Any:
    return next(iter(row.cells.values()))["environment"]


def _list(labels: Sequence[str]) -> str:
    """Join at most six names into an English list."""
    shown = [*labels] if len(labels) <= 6 else [*labels[:5], f"{len(labels) - 5} more"]
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"
