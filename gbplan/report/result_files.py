"""Result files: one folder per evaluation.

``result.json`` has the metrics, ``<kind>.csv`` the outcomes of single tasks, ``<kind>.npz`` some episodes to draw. For
a model with a decoder, ``filmstrip-<kind>.png`` and ``.gif`` show one episode.
"""

import csv
import itertools
import json
import math
import re
import zipfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gbplan.files import finish, replacing
from gbplan.untrusted import COUNT, MOST_MIB, Number, read_json, require_form

RESULT_FILE = "result.json"

# The form that result files must have to be shown; they may come from anybody. Values that an evaluation could not
# measure, or that diverged, are null.
_SHARE, _MEASURE = Number(0, 1), (Number(0), None)
_RATE = {"rate": _SHARE, "low": _SHARE, "high": _SHARE}
_ERROR = {
    "one_step": _MEASURE,
    "open_loop": _MEASURE,
    "latent_open_loop": _MEASURE,
    "by_step?": ([_MEASURE], None),
}
_GAIN = {"mean": _MEASURE, "p95": _MEASURE, "max": _MEASURE}
_METRICS = {
    "count": COUNT[1:],
    "success": _RATE,
    "within": ({str: _RATE}, None),
    "believed_success": (_RATE, None),
    "final_distance": ({"mean": _MEASURE}, None),
    "steps_to_success": _MEASURE,
    "spl": (_SHARE, None),
    "contacts": _MEASURE,
    "model_error": ({"horizon": COUNT, "planned": _ERROR, "expert?": _ERROR}, None),
    "planning": (
        {"model_calls_per_plan": Number(0), "seconds_per_plan": Number(0), "first_cost?": (Number(), None)},
        None,
    ),
    "missing": {str: str},
    "gradient_alignment?": (
        {"tasks": COUNT, re.compile("[0-9]+"): {"cosine": (Number(), None), "excluded": _SHARE}},
        None,
    ),
    "input_smoothness?": ({str: {"environment": _GAIN}}, None),
    "landscape?": ({"tasks": COUNT, "rank_correlation": (Number(), None)}, None),
}
_RESULT = {
    "name": str,
    "method": {
        "action_block?": COUNT[1:],
        "model?": str,
        "model_sha256?": (str, None),
        "mode?": str,
        "planner?": {"class": str},
    },
    "training?": (
        {
            "class?": str,
            "attack?": ({"class_path?": str, "init_args?": dict}, None),
            "latent_factor?": (Number(), None),
            "action_factor?": (Number(), None),
            "init_from?": (str, None),
            "data": {"datasets?": ([str], {str: Number()}), "seed?": int},
        },
        None,
    ),
    "environment": dict,
    "tasks": dict,
    "provenance": {"commit": (str, None), "machine": str, "processor?": str},
}
_LARGEST = 2**28
"""Most bytes of arrays to read from one file; our own, with 16 episodes, have less than a megabyte."""


def write_result(
    folder: Path,
    result: dict[str, Any],
    records: dict[str, dict[str, NDArray]],
    arrays: dict[str, dict[str, NDArray]],
    pictures: dict[str, bytes] = {},  # noqa: B006  # not changed
) -> None:
    """Write an evaluation's files, ``result.json`` last, so that its presence means that all files are there.

    Args:
        folder: folder to write to; must exist.
        result: plain data.
        records: columns of the single tasks, ``(N,)`` each, by task kind.
        arrays: arrays to draw, by task kind.
        pictures: contents of picture files by their names; pictures of an older result are removed.
    """
    with ExitStack() as files:  # files appear in the reverse of this order
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
        for name, content in pictures.items():
            complete.append(picture := files.enter_context(replacing(folder / name, "wb")))
            picture.write(content)
        for file in complete:
            finish(file)  # before the first appears, so that a full disk does not mix old and new ones
    for old in {*folder.glob("filmstrip-*.png"), *folder.glob("filmstrip-*.gif")}:
        if old.name not in pictures:
            old.unlink()


def _without_nan(value: Any) -> Any:
    """Replace NaN and infinity (of diverged rollouts), which JSON cannot express, by null."""
    if isinstance(value, dict):
        return {key: _without_nan(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_without_nan(entry) for entry in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def read_result(path: Path) -> dict[str, Any]:
    """Read a ``result.json``.

    Returns:
        Its contents, and its ``folder``, which also has the outcomes of its tasks.

    Raises:
        FileNotFoundError: the file does not exist.
        ValueError: ``gbplan evaluate`` has not written this file.
    """
    if not path.is_file():
        raise FileNotFoundError(f"there is no result at {path}; make it with `gbplan evaluate --output {path.parent}`")
    try:
        result = read_json(path)
        require_form(result, _RESULT, "it")
        if not result["tasks"]:
            raise ValueError("it has no tasks")
        _require_printable([result["name"], result["provenance"], result["tasks"]])
        for kind, metrics in result["tasks"].items():
            if "/" in kind:  # kinds become parts of file names
                raise ValueError(f"tasks cannot be called {kind!r:.80}")
            require_form(metrics, dict, kind)
            if lacking := {key for key in _METRICS if not key.endswith("?")} - metrics.keys():
                made = result["provenance"]["commit"] or "an unknown commit"
                raise ValueError(
                    f"its {kind} tasks, of another version of gbplan ({made}), lack {', '.join(sorted(lacking))}"
                )
            require_form(metrics, _METRICS, kind)
    except ValueError as error:
        raise ValueError(f"{path} is not a result file ({error}); evaluate again with --overwrite") from None
    found: dict[str, Any] = result
    found["folder"] = str(path.parent)
    return found


def read_tasks(result: dict[str, Any], kind: str) -> dict[str, NDArray[np.float64]]:
    """Read the outcomes of the single tasks of a result.

    Args:
        result: a result from ``read_result``.
        kind: kind of tasks.

    Returns:
        Columns ``(N,)``: ``first_hit`` and, for each threshold, ``first_hit@<threshold>``, in steps, negative for tasks
        that were not solved; and ``start_distance``, if goals have distances.

    Raises:
        ValueError: the result has no such file, or ``gbplan evaluate`` has not written it.
    """
    path = Path(result["folder"]) / f"{kind}.csv"
    try:
        if path.stat().st_size > MOST_MIB * 2**20:
            raise ValueError(f"it is larger than {MOST_MIB} MiB")
        with path.open(newline="", encoding="utf-8") as file:
            header, *rows = list(csv.reader(file, strict=True)) or [[]]
        metrics = result["tasks"][kind]
        if len(rows) != metrics["count"] or "first_hit" not in header:
            raise ValueError(f"it should have first_hit of {metrics['count']} tasks")
        if len(set(header)) < len(header) or any(len(row) != len(header) for row in rows):
            raise ValueError("its rows should have one cell in each column, and no two columns the same name")
        columns = {
            name: np.array([row[at] for row in rows], dtype=float)
            for at, name in enumerate(header)
            if name.startswith(("task", "first_hit", "start_distance"))
        }
        if not np.array_equal(columns.pop("task", range(len(rows))), range(len(rows))):
            raise ValueError("its tasks should be numbered in their order")
        for name, column in columns.items():
            if not np.isfinite(column).all():
                raise ValueError(f"{name} should be finite numbers")
        rates = {"first_hit": metrics["success"]}
        rates |= {f"first_hit@{threshold}": rate for threshold, rate in (metrics["within"] or {}).items()}
        for name, rate in rates.items():
            if name not in columns:
                raise ValueError(f"it lacks {name}")
            if not math.isclose((columns[name] >= 0).mean(), rate["rate"]):
                raise ValueError(f"its {name} is not that of {RESULT_FILE}")
    except (OSError, ValueError, TypeError, csv.Error) as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"{path} does not hold the tasks of a result ({reason}); evaluate again") from None
    return columns


def _require_printable(value: Any) -> None:
    """Refuse text with control characters, which could drive a terminal or break the lines of a table."""
    if isinstance(value, dict):
        value = [*value, *value.values()]
    if isinstance(value, list):
        for each in value:
            _require_printable(each)
    elif isinstance(value, str) and not value.isprintable():
        raise ValueError(f"{value!r:.80} cannot be printed as it is")


def read_arrays(path: Path) -> dict[str, NDArray]:
    """Read the arrays to draw that ``write_result`` wrote.

    Raises:
        ValueError: the file is not such an archive, is too large, or contains anything but numbers.
    """
    try:
        with zipfile.ZipFile(path) as contents:
            size = sum(entry.file_size for entry in contents.infolist())
        if size > _LARGEST:
            raise ValueError(f"{size:,} bytes of arrays, more than {_LARGEST:,} are not read")
        with np.load(path, allow_pickle=False) as file:
            return dict(file)
    except (ValueError, OSError, EOFError, MemoryError, zipfile.BadZipFile) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(f"{path} does not hold arrays to be drawn ({reason}); evaluate again") from None
