"""The figures of ``gbplan report``, from result files alone."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray
from tqdm.auto import tqdm

from gbplan.plots import (
    Curve,
    Frames,
    Theme,
    plot_frames,
    plot_landscape,
    plot_panels,
    plot_paths,
    plot_success,
    save,
    theme,
)
from gbplan.report.curves import training_curves
from gbplan.report.own_files import MARK
from gbplan.report.radius_curves import radius_curves
from gbplan.report.result_files import read_arrays
from gbplan.report.training_seeds import over_training_seeds

Drawing = Callable[[], Any]
"""A function that makes a matplotlib figure in the current theme."""

Found = tuple[str, dict[str, Any], dict[str, Any]]
"""Name, contents and metrics (of one task kind) of a result."""

BUDGET = ("num_samples", "num_elites", "keep_elites", "iterations", "restarts")
_OF_SUCCESS = {"percent": True, "markers": True}
LOOKS: dict[str, dict[str, Any]] = {
    "error": {"x": "steps of the open-loop rollout", "y": "model error, units of the world"},
    "alignment": {
        "x": "steps",
        "y": "cosine of the model's gradient and the true one",
        "log_x": True,
        "markers": True,
    },
    "calls": {"x": "model calls per plan", "y": "success", "log_x": True, **_OF_SUCCESS},
    "time": {"x": "ms per plan, all tasks together", "y": "success", "log_x": True, **_OF_SUCCESS},
    "radius": {"x": "radius, standard deviations", "y": "success", "log_x": True, **_OF_SUCCESS},
    "training": {"x": "epoch", "y": "success on validation tasks", **_OF_SUCCESS},
    "rounds": {"x": "online round", "y": "success on new training tasks", **_OF_SUCCESS},
    "transitions": {"x": "online transitions to train on", "y": "success on validation tasks", **_OF_SUCCESS},
}
"""Axes of the figures of curves."""

CAPTIONS = {
    "success": "Dots with intervals are success, diamonds what the model believes.",
    "paths": "Dashed lines are first plans, solid lines what was executed; one column per result, one row per task.",
    "landscape": "Planning loss on a plane of action sequences: in the model (top), in truth (bottom).",
    "error": "Model error in open-loop rollouts: solid along planned, dashed along the expert's trajectories.",
    "alignment": "Cosine of the model's action gradient and the true one; above 0, a small step improves it.",
    "calls": "Success against the model calls of a plan.",
    "time": "Success against the time of a plan.",
    "radius": "Success against the radius of the attack in training.",
    "training": "Success on validation tasks while training.",
    "rounds": "Success on the new tasks of each online round, before they are trained on.",
    "transitions": "Success on validation tasks against the online transitions trained on.",
    "filmstrip": "What the model imagines of the first episode, beside what was executed.",
}
"""Captions of figures, by the first part of their names."""

TASKS_SHOWN = 3
RESULTS_SHOWN = 5


def drawings(results: list[tuple[Path, dict[str, Any]]], runs: list[Path]) -> dict[str, Drawing]:
    """Collect the figures that results and trainings allow; the caller chooses the theme and draws them.

    Args:
        results: folders of results, and the contents of their ``result.json``, in the order to show.
        runs: folders of trainings.

    Returns:
        Each figure with data, by the name of its file. Per task kind: ``success-<kind>``; ``paths-<kind>``, the
        first tasks as planned (dashed) and executed (solid), a column per result; ``filmstrip-<kind>``, of models
        with a decoder, the first task's frames, and what the model imagines of the same actions; ``landscape-<kind>``,
        the planning loss of the first task in the model and in truth, each result on the plane through the expert's
        actions and two of its own plans; ``error-<kind>``, the model's open-loop error along planned and the expert's
        trajectories; ``alignment-<kind>``, the cosine between the model's gradient and the true one; ``calls-<kind>``
        and ``time-<kind>``, success against the effort of a plan; ``radius-<kind>``, success against the radius of the
        attack a model was trained with; and of trainings, success on validation tasks by epoch (``training``), on the
        tasks of online rounds (``rounds``), and by online transitions (``transitions``).
    """
    found: dict[str, Drawing] = {}
    kinds = list(dict.fromkeys(kind for _, result in results for kind in result["tasks"]))
    taken = over_training_seeds([result for _, result in results])
    for kind in kinds:
        of_kind = [(result["name"], result, result["tasks"][kind]) for result in taken if kind in result["tasks"]]
        found[f"success-{kind}"] = partial(_success, of_kind, kind)
        if arrays := _arrays(results, kind, "imagined"):  # only models with a probe, in a plane
            found[f"paths-{kind}"] = partial(_paths, arrays)
        if films := _arrays(results, kind, "frames imagined"):
            found[f"filmstrip-{kind}"] = partial(_filmstrips, films)
        if planes := _arrays(results, kind, "alpha"):
            found[f"landscape-{kind}"] = partial(_landscapes, planes)
        for figure, panels in {
            "error": {"": _errors(of_kind)},
            "alignment": {"": _alignments(of_kind)},
            "calls": {"": _efforts(of_kind, "model_calls_per_plan", 1.0)},
            "time": {"": _efforts(of_kind, "seconds_per_plan", 1000.0)},
            "radius": radius_curves(of_kind),
        }.items():
            if any(panels.values()):
                ticks = _places(panels) if figure in ("alignment", "radius") else None
                found[f"{figure}-{kind}"] = partial(plot_panels, panels, **LOOKS[figure], ticks=ticks)
    for name, curves in training_curves(runs).items():
        found[name] = partial(plot_panels, {"": curves}, **LOOKS[name])
    return found


def files_of(name: str, mode: str) -> tuple[str, str]:
    """Return the files of a figure in one theme."""
    return f"{name}-{mode}.png", f"{name}-{mode}.svg"


def write_figures(drawn: dict[str, Drawing], folder: Path) -> None:
    """Write each figure as ``<name>-<theme>.png`` and ``.svg``."""
    with tqdm(total=2 * len(drawn), desc="figures", unit="figure", leave=False) as bar:
        for name, draw in drawn.items():
            for mode in get_args(Theme):
                with theme(mode):
                    figure = draw()
                    for file in files_of(name, mode):
                        save(figure, folder / file, MARK)
                bar.update()


def _success(of_kind: list[Found], kind: str) -> Any:
    rates = [metrics["success"] for _, _, metrics in of_kind]
    beliefs = [metrics["believed_success"] for _, _, metrics in of_kind]
    return plot_success(
        [name for name, _, _ in of_kind],
        [rate["rate"] for rate in rates],
        [rate["low"] for rate in rates],
        [rate["high"] for rate in rates],
        [belief["rate"] if belief else None for belief in beliefs],
        f"{kind} tasks",
    )


def _arrays(results: list[tuple[Path, dict[str, Any]]], kind: str, needed: str) -> dict[str, dict[str, NDArray]]:
    """Read arrays of results that have ``needed`` and the same tasks, by name; of several seeds only the first."""
    found: dict[str, dict[str, NDArray]] = {}
    for folder, result in results:
        path = folder / f"{kind}.npz"
        if kind not in result["tasks"] or result["name"] in found or not path.is_file():
            continue
        arrays = read_arrays(path)
        if needed not in arrays:
            continue
        shown = next(iter(found.values()), arrays)
        count = min(len(shown["goals"]), len(arrays["goals"]), TASKS_SHOWN)
        if np.array_equal(shown["goals"][:count], arrays["goals"][:count]) and len(found) < RESULTS_SHOWN:
            found[result["name"]] = arrays
    return found


def _paths(arrays: dict[str, dict[str, NDArray]]) -> Any:
    count = min(TASKS_SHOWN, *(len(array["goals"]) for array in arrays.values()))
    rows = [(array, task) for task in range(count) for array in arrays.values()]
    return plot_paths(
        [_without_padding(array["executed"][task]) for array, task in rows],
        np.stack([array["goals"][task] for array, task in rows]),
        np.array([array["success"][task] for array, task in rows]),
        [array["imagined"][task] for array, task in rows],
        rows[0][0]["background"],
        None if np.isnan(rows[0][0]["radius"]) else float(rows[0][0]["radius"]),
        columns=len(arrays),
        titles=list(arrays),
    )


def _filmstrips(arrays: dict[str, dict[str, NDArray]]) -> Any:
    names = ("executed", "imagined", "steps")
    return plot_frames(
        {result: Frames(*(array[f"frames {name}"] for name in names)) for result, array in arrays.items()}
    )


def _without_padding(path: NDArray) -> NDArray:
    kept: NDArray = path[~np.isnan(path).any(1)]
    return kept


def _landscapes(planes: dict[str, dict[str, NDArray]]) -> Any:
    """Draw a column per result: the loss in its model, and the true loss below."""
    first = next(iter(planes.values()))
    loss: dict[str, NDArray] = {}
    for whose in ("model", "truth"):
        loss |= {f"{name}: {whose}": array[f"loss of {whose}"] for name, array in planes.items()}
    return plot_landscape(first["alpha"], first["beta"], loss, columns=len(planes))


def _errors(of_kind: list[Found]) -> dict[str, Curve]:
    curves = {}
    for name, _, metrics in of_kind:
        for along in ("planned", "expert"):
            error = ((metrics["model_error"] or {}).get(along) or {}).get("by_step")
            if error:
                y = np.array(error, float)  # diverged values are null in the file
                curves[f"{name}, {along}"] = Curve(np.arange(1, len(y) + 1), y, family=name, dashed=along == "expert")
    return curves


def _alignments(of_kind: list[Found]) -> dict[str, Curve]:
    curves = {}
    for name, _, metrics in of_kind:
        found = {key: value for key, value in (metrics.get("gradient_alignment") or {}).items() if key != "tasks"}
        if found:
            x = [int(horizon) for horizon in found]
            y = [np.nan if value["cosine"] is None else value["cosine"] for value in found.values()]
            curves[name] = Curve(x, y)
    return curves


def _efforts(of_kind: list[Found], effort: str, unit: float) -> dict[str, Curve]:
    """Curves of success against effort: a line for methods that differ only by their budget, if there are several."""
    points: dict[str, list[tuple[float, ...]]] = {}
    labels: dict[str, str] = {}
    planned = [found for found in of_kind if found[2]["planning"]]
    parts = [_parts(result["method"]) for _, result, _ in planned]
    telling = [len(set(column)) > 1 for column in zip(*parts, strict=True)]  # parts that all share are left out
    for (name, result, metrics), described in zip(planned, parts, strict=True):
        method = result["method"]
        planner = {key: value for key, value in method["planner"].items() if key not in BUDGET}
        same = [method | {"planner": planner}, result["environment"], metrics["count"]]
        key = json.dumps(same, sort_keys=True)
        label = ", ".join(part for part, tells in zip(described, telling, strict=True) if tells) or described[0]
        labels.setdefault(key, label if label not in labels.values() else f"{label} ({name})")
        rate = metrics["success"]
        spent = (unit * metrics["planning"][effort], rate["rate"], rate["low"], rate["high"])
        points.setdefault(key, []).append(spent)
    lines = {labels[key]: np.array(sorted(found)).T for key, found in points.items()}
    return {label: Curve(*columns) for label, columns in lines.items() if len(set(columns[0])) > 1}


def _parts(method: dict[str, Any]) -> tuple[str, str, str]:
    model = Path(method["model"]).parent.name or method["model"]
    return method["planner"]["class"].removesuffix("Planner"), model, method["mode"]


def _places(panels: dict[str, dict[str, Curve]]) -> set[float]:
    """Return the x values of all points of the curves."""
    curves = [curve for each in panels.values() for curve in each.values()]
    return {x for curve in curves if curve.x is not None for x in np.asarray(curve.x, float).tolist()}
