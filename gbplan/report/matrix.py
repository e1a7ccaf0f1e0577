"""A matrix of results with methods as rows and planners as columns, from result files alone."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any, Literal, get_args

from gbplan.report.result_files import RESULT_FILE

Result = dict[str, Any]
Role = Literal["base", "finetuned", "model", "policy"]


@dataclass(frozen=True)
class Row:
    """A method: a model with its planners, or a policy.

    Attributes:
        label: the common part of its results' names.
        role: ``base``, the start of finetuned models; ``finetuned``, trained from another model; ``model``, any other
            one, such as the true dynamics; ``policy``, without a planner.
        cells: its results by planner; the key of a policy is "".
    """

    label: str
    role: Role
    cells: dict[str, Result] = field(default_factory=dict)


@dataclass(frozen=True)
class Matrix:
    """The results of one kind of tasks.

    Attributes:
        kind: kind of tasks.
        planners: labels of the columns.
        rows: the base model, finetuned ones, other models, and policies.
    """

    kind: str
    planners: list[str]
    rows: list[Row]

    @property
    def models(self) -> list[Row]:
        """The rows of models."""
        return [row for row in self.rows if row.role != "policy"]

    @property
    def base(self) -> Row | None:
        """The row of the base model."""
        return next((row for row in self.rows if row.role == "base"), None)


def matrices(results: list[Result]) -> list[Matrix]:
    """Arrange results in one matrix per kind of tasks; the kind with the least mean success comes first.

    Args:
        results: contents of result files, averaged over training seeds.
    """
    kinds = dict.fromkeys(kind for result in results for kind in result["tasks"])
    found = [_matrix(kind, [result for result in results if kind in result["tasks"]]) for kind in kinds]
    return sorted(found, key=_success)


def files_of(result: Result) -> list[str]:
    """Return the files of a result: one, or those of several training seeds."""
    return [str(Path(folder, RESULT_FILE)) for folder in result.get("folders") or [result["folder"]]]


def _success(matrix: Matrix) -> float:
    rates = [cell["tasks"][matrix.kind]["success"]["rate"] for row in matrix.rows for cell in row.cells.values()]
    return sum(rates) / len(rates)


def _matrix(kind: str, results: list[Result]) -> Matrix:
    planned = [result for result in results if "planner" in result["method"]]
    rows: dict[str, Row] = {}
    planners: dict[str, None] = {}
    base = _base(planned)
    for result, (label, planner) in zip(planned, _labels(planned), strict=True):
        method = label, _run(result), result["environment"]
        row = rows.setdefault(
            json.dumps(method), Row(_unused(label, [row.label for row in rows.values()]), _role(result, base))
        )
        planner = _unused(planner, row.cells)
        row.cells[planner] = result
        planners[planner] = None
    policies = [Row(result["name"], "policy", {"": result}) for result in results if "planner" not in result["method"]]
    return Matrix(
        kind, list(planners), sorted([*rows.values(), *policies], key=lambda row: get_args(Role).index(row.role))
    )


def _labels(planned: list[Result]) -> Iterator[tuple[str, str]]:
    """Yield row and column of each result: its name split after its model's folder, as in ``base-gradient-mpc``."""
    cut = [_cut(result) for result in planned]
    known = sorted({found[1] for found in cut if found}, key=len, reverse=True)
    for result, found in zip(planned, cut, strict=True):
        name, method = result["name"], result["method"]
        if found is None:  # a model without a folder, with a planner that other models have, too
            planner = next((planner for planner in known if name.endswith(f"-{planner}")), None)
            found = None if planner is None else (name.removesuffix(f"-{planner}"), planner)
        described = [str(method["planner"]["class"]).removesuffix("Planner"), method.get("mode")]
        yield found or (name, ", ".join(filter(None, described)))


def _cut(result: Result) -> tuple[str, str] | None:
    folders = PurePath(_run(result)).parent.parts
    for first in range(len(folders)):
        run = "-".join(folders[first:])
        before, found, planner = f"-{result['name']}".partition(f"-{run}-")
        if found and planner:
            return f"{before}-{run}".removeprefix("-"), planner
    return None


def _unused(label: str, taken: Any) -> str:
    number = 1
    while (name := label if number == 1 else f"{label} ({number})") in taken:
        number += 1
    return name


def _role(result: Result, base: Result | None) -> Role:
    if base is not None and (_run(result), result["environment"]) == (_run(base), base["environment"]):
        return "base"
    return "finetuned" if _start(result) else "model"


def _base(planned: list[Result]) -> Result | None:
    """Return the model, trained from scratch, that most others start from; else the only one trained from scratch."""
    known = [result for result in reversed(planned) if result.get("training") or _is_shipped(result)]
    candidates = {_run(result): result for result in known if not _start(result)}
    begun = Counter(run for result in planned for run in candidates if _same(run, _start(result)))
    if begun:
        return candidates[begun.most_common(1)[0][0]]
    return next(iter(candidates.values())) if len(candidates) == 1 else None


def _start(result: Result) -> str:
    if _is_shipped(result):  # without a record of its training; its folder has the base model of its world
        base = str(PurePath(_run(result)).with_name("base"))
        return "" if _run(result) == base else base
    return _without_seed(str((result.get("training") or {}).get("init_from") or ""))


def _is_shipped(result: Result) -> bool:
    """Whether the model came with the package: such as ``door-wall/base``, while checkpoints are files."""
    run = PurePath(_run(result))
    return not result.get("training") and len(run.parts) == 2 and not run.suffix


def _run(result: Result) -> str:
    return _without_seed(str(result["method"].get("model", "")))


def _without_seed(path: str) -> str:
    return str(PurePath(*(part for part in PurePath(path).parts if not re.fullmatch(r"seed\d+", part)))) if path else ""


def _same(one: str, other: str) -> bool:
    """Whether two paths may name the same file, relative to different folders."""
    shorter, longer = sorted((PurePath(one).parts, PurePath(other).parts), key=len)
    return len(shorter) > 0 and longer[-len(shorter) :] == shorter
