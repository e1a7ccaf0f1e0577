"""Averages of results whose models differ only by their training seed."""

import json
from typing import Any

import numpy as np

from gbplan.report.intervals import success_interval
from gbplan.report.result_files import read_tasks


def over_training_seeds(results: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Average results with the same name, method and tasks but different models.

    Args:
        results: contents of result files, with their folders.

    Returns:
        One result for each such group, at the place of its first one. Every number is the mean over the models (null if
        one model has none), except that intervals of success are over seeds and tasks, from the outcomes of single
        tasks. Each task kind has the number of ``models``; ``folders`` lists all folders. Results without a partner are
        returned unchanged.

    Raises:
        ValueError: the outcomes of single tasks are missing.
    """
    groups: dict[str, list[dict[str, Any]]] = {}
    for result in results:
        method = {key: value for key, value in result["method"].items() if key not in ("model", "model_sha256")}
        counts = {kind: metrics["count"] for kind, metrics in result["tasks"].items()}
        groups.setdefault(json.dumps([result["name"], method, result["environment"], counts]), []).append(result)
    taken = []
    for members in groups.values():
        models = {member["method"].get("model_sha256") for member in members}
        taken += [_together(members)] if 1 < len(members) == len(models) else members
    return taken


def _together(members: list[dict[str, Any]]) -> dict[str, Any]:
    tasks = {}
    for kind in members[0]["tasks"]:
        each = [member["tasks"][kind] for member in members]
        tasks[kind] = _mean(each) | {"models": len(members)}
        hits = [read_tasks(member, kind) for member in members]
        rates = {"first_hit": tasks[kind]["success"]}
        rates |= {f"first_hit@{threshold}": rate for threshold, rate in (tasks[kind]["within"] or {}).items()}
        for column, rate in rates.items():
            if all(column in columns for columns in hits):
                rate["low"], rate["high"] = success_interval(np.stack([columns[column] >= 0 for columns in hits]))
    return members[0] | {"tasks": tasks, "folders": [member["folder"] for member in members]}


def _mean(values: list[Any]) -> Any:
    first = values[0]
    if any(value is None for value in values):
        return None
    if isinstance(first, dict):
        return {key: _mean([value.get(key) for value in values]) for key in first}
    if isinstance(first, list):  # episodes of one model may last longer than those of another
        return [_mean(list(column)) for column in zip(*values, strict=False)]
    if isinstance(first, int | float) and not isinstance(first, bool) and len(set(values)) > 1:
        return sum(values) / len(values)
    return first
