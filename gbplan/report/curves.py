"""Training curves, read from TensorBoard's event files."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from gbplan.plots import Curve
from gbplan.report.tags import name_of

Logged = dict[str, dict[int, float]]
"""Values of a training by name and step."""

Points = dict[int, tuple[float, ...]]
"""Points (x, y, low, high) of a curve, by the key that matches points of several training seeds."""


def training_curves(runs: list[Path]) -> dict[str, dict[str, Curve]]:
    """Read curves of success.

    Trainings whose folders differ only by a part such as ``seed1`` count as seeds of one method: the curve is their
    mean with their range. A single training has the intervals that it logged.

    Args:
        runs: folders of trainings.

    Returns:
        Curves by figure and training: ``training``, success on validation tasks by epoch; ``rounds``, success on the
        new tasks of each online round; and ``transitions``, success on validation tasks by the number of online
        transitions available for training.
    """
    found: dict[str, dict[str, list[Points]]] = {}
    for run in runs:
        name, logged = _name(run, runs), _read(run)
        for figure, points in (
            ("training", _by_epoch(logged)),
            ("rounds", _by_round(logged)),
            ("transitions", _by_transitions(logged)),
        ):
            if points:
                found.setdefault(figure, {}).setdefault(name, []).append(points)
    return {
        figure: {
            name if len(seeds) == 1 else f"{name}, {len(seeds)} seeds": _curve(seeds)
            for name, seeds in trainings.items()
            if set.intersection(*map(set, seeds))
        }
        for figure, trainings in found.items()
    }


def _name(run: Path, runs: list[Path]) -> str:
    """Return the folder of a run relative to all runs, without the seed."""
    parts = run.relative_to(os.path.commonpath(runs)).parts
    return "/".join(part for part in parts if not re.fullmatch(r"seed\d+", part)) or run.name


def _read(run: Path) -> Logged:
    # Imported here, because it takes a second that other commands should not wait for.
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    logged: Logged = {}
    for path in sorted(run.glob("events.out.tfevents*")):
        events = EventAccumulator(str(path), size_guidance={"scalars": 0, "images": 1, "tensors": 1})
        try:
            events.Reload()
        except Exception as error:  # its type depends on where a file is broken
            reason = " ".join(str(error).split()) or type(error).__name__
            raise ValueError(f"{path} does not hold TensorBoard's events ({reason}); remove it") from None
        for tag in events.Tags()["scalars"]:
            logged.setdefault(name_of(tag), {}).update({event.step: event.value for event in events.Scalars(tag)})
    return logged


def _by_epoch(logged: Logged) -> Points:
    return {(epoch := int(logged["epoch"][step]) + 1): (epoch, *rate) for step, rate in _success(logged, "val")}


def _by_round(logged: Logged) -> Points:
    return {(held := int(logged["online/round"][step])): (held, *rate) for step, rate in _success(logged, "online")}


def _by_transitions(logged: Logged) -> Points:
    """Success by online transitions; of several validations between two rounds, the last one counts."""
    collected = sorted(logged.get("online/transitions", {}).items())
    points: Points = {}
    for step, rate in _success(logged, "val") if collected else ():
        # Training on the transitions of a round starts with the next epoch.
        before = [transitions for at, transitions in collected if at < step]
        points[len(before)] = (before[-1] if before else 0.0, *rate)
    return points


def _success(logged: Logged, whose: str) -> Iterator[tuple[int, tuple[float, float, float]]]:
    """Yield step and success with its interval; NaN where the interval was not logged."""
    low, high = (logged.get(f"{whose}/success_{end}", {}) for end in ("low", "high"))
    for step, rate in sorted(logged.get(f"{whose}/success", {}).items()):
        yield step, (rate, low.get(step, np.nan), high.get(step, np.nan))


def _curve(seeds: list[Points]) -> Curve:
    common = sorted(set.intersection(*map(set, seeds)))  # some seeds may be unfinished
    x, rate, low, high = np.array([[points[key] for key in common] for points in seeds]).transpose(2, 0, 1)
    if len(seeds) == 1:
        return Curve(x[0], rate[0], low[0], high[0])
    return Curve(x.mean(0), rate.mean(0), rate.min(0), rate.max(0))
