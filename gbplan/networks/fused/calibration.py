"""Calibration: the number of rows up to which compiled loops beat torch, measured once per machine and stored.

Which one is faster depends on the processor, so a rule by rows and widths alone is wrong on some. Both compute the same
numbers, but round them differently. So that a seed gives the same result again, a measurement overrides the rule only
by a clear lead, is never repeated if its file exists, and is skipped if the file cannot be written.
``GBPLAN_CALIBRATE=0`` keeps the rule, which is the same on all machines.
"""

import hashlib
import json
import math
import os
import platform
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from filelock import FileLock, Timeout

from gbplan.files import WriteError, replacing

ROWS = (1, 4, 16, 64, 256, 1024)
"""Numbers of rows at which both are timed."""
CLEAR = 1.15
"""Speed-up by which a measurement overrides the rule."""
SECONDS = 0.07
"""Time limit of one measurement; larger numbers of rows are then left out. A shape has two: with gradients, without."""
WAIT = 10.0
"""Seconds to wait for another process that measures the same shape."""

Seconds = Callable[[bool, int], float]
"""Maps whether a rollout is the compiled one, and its number of rows, to its time in seconds."""


def calibrated_rows(shape: str, rule: float, seconds: Seconds) -> float:
    """Return the number of rows up to which to use the compiled loops.

    Args:
        shape: everything that affects the speed, except the machine and the versions of libraries.
        rule: value without a measurement; may be infinite.
        seconds: runs a rollout and returns its duration.
    """
    if os.environ.get("GBPLAN_CALIBRATE", "1") == "0":
        return rule
    made_of = {"shape": shape, "rule": str(rule), **_machine()}
    name = hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()[:16]
    try:
        path = cache_folder() / f"rollout-{name}.json"
        if (kept := _read(path)) is not None:
            return kept
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_suffix(".lock"), timeout=WAIT):
            if (kept := _read(path)) is not None:  # another process was faster
                return kept
            found = most_rows(rule, seconds)
            with replacing(path) as file:
                json.dump({**made_of, "rows": found}, file)
    except (OSError, Timeout, WriteError, NoHomeError):
        return rule
    return found


def most_rows(rule: float, seconds: Seconds) -> float:
    """Measure the number of rows up to which the compiled loops are faster, in at most about ``SECONDS``.

    If the winner changes between two measured numbers of rows, the result is their geometric mean.
    """
    _fastest(seconds, ROWS[0])  # warm up: load, or compile, the timed code
    started, last = time.perf_counter(), 0.0
    for i, rows in enumerate(ROWS):
        growth = ROWS[i] / ROWS[i - 1] if i else 1
        if i and time.perf_counter() - started + growth * last > SECONDS:
            # For more rows than were measured, the rule decides.
            return max(rule, ROWS[i - 1])
        begun = time.perf_counter()
        compiled, products = _fastest(seconds, rows)
        last = time.perf_counter() - begun
        ahead = products / compiled  # speed-up of the compiled loops
        if ahead < 1 / CLEAR or (rows > rule and ahead < CLEAR):
            border = 0 if i == 0 else math.isqrt(ROWS[i - 1] * rows)
            if i and ROWS[i - 1] <= rule < rows:  # between the two the rule decides, unless torch has a clear lead
                return rule if ahead >= 1 / CLEAR else min(rule, border)
            return border
    return max(rule, ROWS[-1])


class NoHomeError(Exception):
    """The user has no home folder, as in some containers."""


def cache_folder() -> Path:
    """Folder of cached measurements: ``gbplan`` in ``$XDG_CACHE_HOME``, or in ``~/.cache``.

    Raises:
        NoHomeError: neither is known.
    """
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gbplan"
    except RuntimeError:
        raise NoHomeError from None


def _fastest(seconds: Seconds, rows: int) -> tuple[float, float]:
    """Shortest time of the compiled loops and of torch, measured in turn, so that load slows both."""
    pairs = [(seconds(True, rows), seconds(False, rows)) for _ in range(4)][1:]  # the first one warms up
    return min(pair[0] for pair in pairs), min(pair[1] for pair in pairs)


def _read(path: Path) -> float | None:
    """Rows of an earlier measurement; None if the file does not exist or is damaged."""
    try:
        rows = json.loads(path.read_text())["rows"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return rows if isinstance(rows, (int, float)) and not isinstance(rows, bool) and rows >= 0 else None


def _machine() -> dict[str, str]:
    return {"processor": _processor(), **{name: _version(name) for name in ("torch", "numba", "numpy", "scipy")}}


def _processor() -> str:
    """Model and instructions of the processor, if the system provides them."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return f"{platform.machine()} {platform.processor()}"
    return " ".join(sorted({line for line in lines if line.startswith(("model name", "flags", "Features"))}))


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "none"
