"""The figures of ``gbplan report``, from result files alone."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray
from tqdm.auto import tqdm

from gbplan.evaluation.training_seeds import over_training_seeds
from gbplan.plots import Curve, Theme, plot_curves, plot_landscape, plot_paths, plot_success, save, theme

Drawing = Callable[[], Any]
"""Makes a matplotlib figure, in the theme of the moment."""

TASKS_SHOWN = 3
RESULTS_SHOWN = 5


def drawings(results: list[tuple[Path, dict[str, Any]]], runs: list[Path]) -> dict[str, Drawing]:
    """Say what can be drawn; drawing is left to the caller, who chooses the theme.

    Args:
        results: folders of results, and what their ``result.json`` holds, in the order to be shown.
        runs: folders of trainings.

    Returns:
        By the name of its file, each figure there is data for: per task kind ``success-<kind>``; ``paths-<kind>``, the
        first tasks as planned (dashed) and executed (solid), a column per result; ``landscape-<kind>``, the planning
        loss of the first task in the model and in truth, each result on the plane through the expert's actions and two
        of its own plans; ``error-<kind>``, the model's open-loop error along planned and the expert's trajectories;
        ``alignment-<kind>``, the cosine between the model's gradient and the true one; ``calls-<kind>`` and
        ``time-<kind>``, success against the effort of a plan; and ``training``, success on validation tasks.
    """
    found: dict[str, Drawing] = {}
    kinds = list(dict.fromkeys(kind for _, result in results for kind in result["tasks"]))
    taken = over_training_seeds([result for _, result in results])
    for kind in kinds:
        of_kind = [(result["name"], result, result["tasks"][kind]) for result in taken if kind in result["tasks"]]
        found[f"success-{kind}"] = partial(_success, of_kind, kind)
        arrays = _arrays(results, kind)
        if arrays:
            found[f"paths-{kind}"] = partial(_paths, arrays)
        planes = {name: array for name, array in arrays.items() if "alpha" in array}
        if planes:
            found[f"landscape-{kind}"] = partial(_landscapes, planes)
        for figure, curves, draw in (
            ("error", _errors(of_kind), _draw_errors),
            ("alignment", _alignments(of_kind), _draw_alignment),
            ("calls", _efforts(of_kind, "model_calls_per_plan", 1.0), _draw_calls),
            ("time", _efforts(of_kind, "seconds_per_plan", 1000.0), _draw_time),
        ):
            if curves:
                found[f"{figure}-{kind}"] = partial(draw, curves)
    training = dict(_trainings(runs))
    if training:
        found["training"] = lambda: plot_curves(
            training, "epoch", "success on validation tasks", percent=True, markers=True
        )
    return found


def write_figures(drawn: dict[str, Drawing], folder: Path) -> None:
    """Write each figure as ``<name>-<theme>.png`` and ``.svg``."""
    with tqdm(total=2 * len(drawn), desc="figures", unit="figure", leave=False) as bar:
        for name, draw in drawn.items():
            for mode in get_args(Theme):
                with theme(mode):
                    figure = draw()
                    for ending in ("png", "svg"):
                        save(figure, folder / f"{name}-{mode}.{ending}")
                bar.update()


def _success(of_kind: list[tuple[str, dict[str, Any], dict[str, Any]]], kind: str) -> Any:
    rates = [next(iter(metrics["success"].values())) for _, _, metrics in of_kind]
    threshold = next(iter(of_kind[0][2]["success"]))
    beliefs = [metrics["believed_success"] for _, _, metrics in of_kind]
    return plot_success(
        [name for name, _, _ in of_kind],
        [rate["rate"] for rate in rates],
        [rate["low"] for rate in rates],
        [rate["high"] for rate in rates],
        [belief["rate"] if belief else None for belief in beliefs],
        f"{kind} tasks, within {threshold} of the goal",
    )


def _arrays(results: list[tuple[Path, dict[str, Any]]], kind: str) -> dict[str, dict[str, NDArray]]:
    """What planners imagined and did, by result; of several training seeds the first; only for the same tasks."""
    found: dict[str, dict[str, NDArray]] = {}
    for folder, result in results:
        path = folder / f"{kind}.npz"
        if kind not in result["tasks"] or result["name"] in found or not path.is_file():
            continue
        with np.load(path) as file:
            arrays = dict(file)
        if "imagined" not in arrays or arrays["executed"].shape[2:] != (2,):
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
        rows[0][0]["walls"],
        columns=len(arrays),
        titles=list(arrays),
    )


def _without_padding(path: NDArray) -> NDArray:
    kept: NDArray = path[~np.isnan(path).any(1)]
    return kept


def _landscapes(planes: dict[str, dict[str, NDArray]]) -> Any:
    """A column per result: what its model says of its plane, and the truth below."""
    first = next(iter(planes.values()))
    loss: dict[str, NDArray] = {}
    for whose in ("model", "truth"):
        loss |= {f"{name}: {whose}": array[f"loss of {whose}"] for name, array in planes.items()}
    return plot_landscape(first["alpha"], first["beta"], loss, columns=len(planes))


def _errors(of_kind: list[tuple[str, dict[str, Any], dict[str, Any]]]) -> dict[str, Curve]:
    curves = {}
    for name, _, metrics in of_kind:
        for along in ("planned", "expert"):
            error = ((metrics["model_error"] or {}).get(along) or {}).get("by_step")
            if error:
                y = np.array(error, float)  # what diverged was written as null
                curves[f"{name}, {along}"] = Curve(np.arange(1, len(y) + 1), y, family=name, dashed=along == "expert")
    return curves


def _draw_errors(curves: dict[str, Curve]) -> Any:
    return plot_curves(curves, "steps of the open-loop rollout", "model error, units of the world")


def _alignments(of_kind: list[tuple[str, dict[str, Any], dict[str, Any]]]) -> dict[str, Curve]:
    curves = {}
    for name, _, metrics in of_kind:
        found = {key: value for key, value in (metrics.get("gradient_alignment") or {}).items() if key != "tasks"}
        if found:
            x = [int(horizon) for horizon in found]
            y = [np.nan if value["cosine"] is None else value["cosine"] for value in found.values()]
            curves[name] = Curve(x, y)
    return curves


def _draw_alignment(curves: dict[str, Curve]) -> Any:
    return plot_curves(curves, "steps", "cosine of the model's gradient and the true one", log_x=True, markers=True)


def _efforts(of_kind: list[tuple[str, dict[str, Any], dict[str, Any]]], effort: str, unit: float) -> dict[str, Curve]:
    """Success against effort: a line for each model, planner and mode with several budgets; one budget is no line."""
    points: dict[str, list[tuple[float, ...]]] = {}
    for _, result, metrics in of_kind:
        if metrics["planning"]:
            method = result["method"]
            model = Path(method["model"]).parent.name or method["model"]
            rate = next(iter(metrics["success"].values()))
            key = f"{method['planner']['class'].removesuffix('Planner')}, {model}, {method['mode']}"
            points.setdefault(key, []).append(
                (unit * metrics["planning"][effort], rate["rate"], rate["low"], rate["high"])
            )
    lines = {key: np.array(sorted(found)).T for key, found in points.items() if len(found) > 1}
    return {key: Curve(*columns) for key, columns in lines.items()}


def _draw_calls(curves: dict[str, Curve]) -> Any:
    return plot_curves(curves, "model calls per plan", "success", log_x=True, percent=True, markers=True)


def _draw_time(curves: dict[str, Curve]) -> Any:
    return plot_curves(curves, "ms per plan, all tasks together", "success", log_x=True, percent=True, markers=True)


def _trainings(runs: list[Path]) -> Iterator[tuple[str, Curve]]:
    """Success on validation tasks over the epochs of each training that measured it."""
    # Here, because it takes a second to import, which every other command would wait for.
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    for run in runs:
        points: dict[int, float] = {}
        for path in sorted(run.glob("events.out.tfevents*")):
            events = EventAccumulator(str(path), size_guidance={"scalars": 0})
            events.Reload()
            if "val/success" in events.Tags()["scalars"]:
                epoch = {event.step: event.value for event in events.Scalars("epoch")}
                points |= {int(epoch[event.step]): event.value for event in events.Scalars("val/success")}
        if points:
            yield run.name, Curve(np.array([*points]) + 1, np.array([*points.values()]))
