"""Episodes for the page's player: imagined beside executed paths, small enough to embed in the page."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gbplan.report.matrix import Result
from gbplan.report.result_files import read_arrays

TASKS = 8
POINTS = 100
"""Most points of a path; longer paths are thinned out."""
LARGEST = 60_000
"""Most points of all paths of one kind of tasks, about half a megabyte of the page."""
_PATHS = ("executed", "imagined")
SIDE = 1000
"""Side of the square that positions are rounded to; its y points down, as on a screen."""


def episodes(results: list[Result], kind: str) -> dict[str, Any] | None:
    """Collect the first episodes of results whose goals are points of a plane.

    Args:
        results: contents of result files, with their folders; results with other tasks or walls than the first one are
            left out.
        kind: kind of tasks.

    Returns:
        Plain data: ``goals``, ``radius`` (null: goals have none) and ``walls``, in units of the square; and ``runs``,
        each with the index of its ``result`` and, by task, ``solved``, ``steps``, ``executed`` and, if the model has
        belief, ``imagined``: points ``[x0, y0, x1, y1, ...]`` at every ``every``-th step and at the last one. None if
        no result has goals in a plane.
    """
    found = {}
    for index, result in enumerate(results):
        path = Path(result["folder"], f"{kind}.npz")
        if kind in result["tasks"] and path.is_file() and "executed" in (arrays := read_arrays(path)):
            found[index] = arrays
    if not found:
        return None
    first = next(iter(found.values()))
    goals, walls = first["goals"][:TASKS], first["background"]
    found = {
        index: arrays
        for index, arrays in found.items()
        if np.array_equal(arrays["goals"][:TASKS], goals) and np.array_equal(arrays["background"], walls)
    }
    paths = {key: [arrays[key][:TASKS] for arrays in found.values() if key in arrays] for key in _PATHS}
    box = _box([goals, walls, *paths["executed"]], paths["imagined"])
    points = sum(min(path.shape[1], POINTS) for each in paths.values() for path in each)
    tasks = max(1, min(len(goals), LARGEST // points))
    radius = float(first["radius"])
    return {
        "goals": _placed(goals[:tasks], box).tolist(),
        "radius": None if np.isnan(radius) else round(radius / box[1] * SIDE, 1),
        "walls": _placed(walls, box).reshape(-1, 4).tolist(),
        "runs": [_run(index, results[index], arrays, tasks, box) for index, arrays in found.items()],
    }


def _run(index: int, result: Result, arrays: dict[str, NDArray], tasks: int, box: tuple[NDArray, float]) -> Any:
    block = result["method"].get("action_block", 1)
    executed = [path[~np.isnan(path).any(1)] for path in arrays["executed"][:tasks]]
    run = {
        "result": index,
        "solved": arrays["success"][:tasks].tolist(),
        "steps": [len(path) - 1 for path in executed],
        "executed": [_thinned(path, box, 1) for path in executed],
    }
    if "imagined" in arrays:
        # The start of the episode comes first; the model does not imagine it.
        paths = [np.concatenate((path[:1], plan)) for path, plan in zip(executed, arrays["imagined"], strict=False)]
        run["imagined"] = [_thinned(path, box, block) for path in paths]
    return run


def _thinned(path: NDArray, box: tuple[NDArray, float], block: int) -> dict[str, Any]:
    """Return points of a path, up to its first one that is not finite."""
    finite = np.isfinite(path).all(1)
    last = len(path) - 1 if finite.all() else max(int(finite.argmin()) - 1, 0)
    every = -(-max(last, 1) // POINTS)
    kept = np.unique([*range(0, last, every), last])
    return {"every": every * block, "last": last * block, "points": _placed(path[kept], box).ravel().tolist()}


def _box(true: list[NDArray], imagined: list[NDArray]) -> tuple[NDArray, float]:
    """Left upper corner and side of a square around all true points, and imagined ones that are not far away."""
    together = np.concatenate([each.reshape(-1, 2) for each in true])
    low, high = np.nanmin(together, 0), np.nanmax(together, 0)
    away = 0.2 * (high - low)
    near = [np.clip(each.reshape(-1, 2), low - away, high + away) for each in imagined]
    together = np.concatenate([together, *near])
    low, high = np.nanmin(together, 0), np.nanmax(together, 0)
    side = 1.04 * max(float((high - low).max()), 1e-9)
    middle = (low + high) / 2
    return np.array([middle[0] - side / 2, middle[1] + side / 2]), side


def _placed(points: NDArray, box: tuple[NDArray, float]) -> NDArray[np.int64]:
    corner, side = box
    placed = (points - corner) * np.array([1, -1]) / side * SIDE
    # A model may imagine any position; points far outside the square are clipped.
    return np.clip(np.nan_to_num(placed), -SIDE, 2 * SIDE).round().astype(np.int64)
