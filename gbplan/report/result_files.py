"""Result files: one folder per evaluation.

``result.json`` holds the figures, ``<kind>.csv`` those of the single tasks, ``<kind>.npz`` some episodes to look at.
"""

import csv
import itertools
import json
import math
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gbplan.files import finish, replacing

RESULT_FILE = "result.json"

_METRICS = {"count", "success", "within", "believed_success", "final_distance", "model_error", "planning", "missing"}


def write_result(
    folder: Path,
    result: dict[str, Any],
    records: dict[str, dict[str, NDArray]],
    arrays: dict[str, dict[str, NDArray]],
) -> None:
    """Write an evaluation's files, ``result.json`` last, so that its presence means all is there.

    Args:
        folder: where to; must exist.
        result: plain data.
        records: per task kind, the columns of its tasks, ``(N,)`` each.
        arrays: per task kind, what is to be drawn.
    """
    with ExitStack() as files:  # which appear in the reverse of this order
        summary = files.enter_context(replacing(folder / RESULT_FILE))
        json.dump(_without_nan(result), summary, indent=1, allow_nan=False)
        summary.write("\n")
        complete = [summary]
        for kind, columns in records.items():
            complete.append(table := files.enter_context(replacing(folder / f"{kind}.csv")))
            writer = csv.writer(table)
            writer.writerow(["task", *columns])
            writer.writerows(zip(itertools.count(), *map(np.ndarray.tolist, columns.values()), strict=False))
        for kind, drawn in arrays.items():
            complete.append(archive := files.enter_context(replacing(folder / f"{kind}.npz", "wb")))
            np.savez_compressed(archive, allow_pickle=False, **drawn)
        for file in complete:
            finish(file)  # before the first appears, so that a full disk does not mix old and new ones


def _without_nan(value: Any) -> Any:
    """Replace what JSON has no word for, the NaN or infinity of a rollout that diverged, by null."""
    if isinstance(value, dict):
        return {key: _without_nan(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_without_nan(entry) for entry in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def read_result(path: Path) -> dict[str, Any]:
    """Read a ``result.json``.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it is not one that ``gbplan evaluate`` wrote.
    """
    if not path.is_file():
        raise FileNotFoundError(f"there is no result at {path}; make it with `gbplan evaluate --output {path.parent}`")
    try:
        result = json.loads(path.read_text())
    except ValueError as error:
        raise ValueError(f"{path} is not a result file ({error}); evaluate again with --overwrite") from None
    if not isinstance(result, dict) or not {"name", "tasks", "provenance"} <= result.keys():
        raise ValueError(f"{path} is not a complete result of `gbplan evaluate`; evaluate again with --overwrite")
    for kind, metrics in result["tasks"].items():
        if lacking := _METRICS - metrics.keys():
            made = result["provenance"].get("commit") or "an unknown commit"
            raise ValueError(
                f"{path} was made by another version of gbplan ({made}): its {kind} tasks lack "
                f"{', '.join(sorted(lacking))}; evaluate again with --overwrite"
            )
    return result
