"""Outcomes of episodes, per task and aggregated."""

from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from numpy.typing import NDArray

from gbplan.data import Trajectories
from gbplan.envs import optional_method
from gbplan.envs.contract import name_of, require_success
from gbplan.evaluation.goal_region import success_radius
from gbplan.evaluation.metrics import SPL, SuccessRate
from gbplan.evaluation.task_set import Tasks


def task_records(
    trajectories: Trajectories,
    tasks: Tasks,
    envs: gym.vector.VectorEnv,
    thresholds: Sequence[float] = (),
    imagined: NDArray | None = None,
) -> dict[str, NDArray]:
    """Measure every episode.

    Args:
        trajectories: the executed episodes of N tasks, in their order.
        tasks: the tasks.
        envs: the environment they were executed in.
        thresholds: distances to the goal, environment units, ascending; only where the environment's goals are metric.
        imagined: predicted paths of the first plans, ``(N, H, *G)``, in the environment's goal space; None if not
            known.

    Returns:
        Columns ``(N,)``: ``steps``; ``first_hit``, the first step at which the environment reports that the goal is
        reached, -1 if there is none; ``believed``, whether the model's predicted path reaches it; ``contacts``, at how
        many frames the info entry ``contact`` is true, see ``gbplan.envs.OptionalMethods``. Where goals are metric
        ``start_distance``, ``final_distance``, ``minimum_distance``, ``first_hit@<threshold>``, ``believed_distance``
        (the smallest one imagined), ``path_length`` up to the first hit, and ``shortest_path`` to the edge of the goal
        region. Columns that do not apply are left out.

    Raises:
        ValueError: a task begins solved, or within a threshold; an episode ends before it can come within one.
    """
    require_success(name_of(envs), trajectories.infos)
    first_hit = _first(trajectories, trajectories.infos["is_success"].astype(np.bool_))
    _require_unsolved(first_hit, "at their goal; draw tasks with TaskSet, which draws such ones again")
    records: dict[str, NDArray] = {"steps": trajectories.lengths, "first_hit": first_hit}
    distance, reached = optional_method(envs, "goal_distance"), optional_method(envs, "compute_success")
    if distance is not None:
        records |= _distances(trajectories, distance, first_hit, thresholds)
    if imagined is not None and reached is not None:
        records["believed"] = np.any(reached(imagined, tasks.goals[:, None]), axis=1)
    if imagined is not None and distance is not None:
        records["believed_distance"] = np.asarray(distance(imagined, tasks.goals[:, None])).min(axis=1)
    if "contact" in trajectories.infos:
        contact = trajectories.infos["contact"]
        records["contacts"] = np.asarray([int(contact[episode].sum()) for episode in trajectories.episodes()])
    shortest = optional_method(envs, "shortest_path")
    radius = success_radius(envs, trajectories.observations["achieved_goal"][0], tasks.goals[0])
    if shortest is not None and radius is not None:
        # Success begins at the edge of the goal region, not at its centre.
        records["shortest_path"] = np.asarray(shortest(tasks.states, tasks.goals)) - radius
    return records


def _distances(
    trajectories: Trajectories, distance: Any, first_hit: NDArray[np.int64], thresholds: Sequence[float]
) -> dict[str, NDArray]:
    achieved, desired = (trajectories.observations[key] for key in ("achieved_goal", "desired_goal"))
    away = np.asarray(distance(achieved, desired), np.float64)
    starts, ends = trajectories.starts, trajectories.starts + trajectories.lengths
    records = {
        "start_distance": away[starts],
        "final_distance": away[ends],
        "minimum_distance": np.minimum.reduceat(away, starts),
    }
    if thresholds and (early := trajectories.terminated & (away[ends] >= thresholds[0])).any():
        raise ValueError(
            f"the environment ends episodes at a distance of {away[ends][early].max():.3g}, before the threshold "
            f"{thresholds[0]} can be reached; leave it out"
        )
    for threshold in thresholds:
        hits = _first(trajectories, away < threshold)
        remedy = f"draw tasks with min_distance={threshold} or leave the threshold out"
        _require_unsolved(hits, f"within {threshold} of their goal; {remedy}")
        records[f"first_hit@{threshold:g}"] = hits
    until = np.where(first_hit > 0, first_hit, trajectories.lengths)
    moves = np.asarray(distance(achieved[:-1], achieved[1:]), np.float64)
    lengths = [moves[start : start + steps].sum() for start, steps in zip(starts, until, strict=True)]
    return records | {"path_length": np.asarray(lengths)}


def _first(trajectories: Trajectories, flags: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The first flagged step of each episode; -1 if none is."""
    each = [flags[frames] for frames in trajectories.episodes()]
    return np.asarray([int(part.argmax()) if part.any() else -1 for part in each])


def _require_unsolved(hits: NDArray[np.int64], where: str) -> None:
    if (hits == 0).any():
        raise ValueError(f"tasks {np.flatnonzero(hits == 0)[:5].tolist()} start {where}")


def outcomes(records: dict[str, NDArray], thresholds: Sequence[float] = ()) -> dict[str, Any]:
    """Aggregate the columns of ``task_records``; missing ones become None."""
    first_hit = records["first_hit"]
    success = first_hit >= 0
    spl = None
    if "shortest_path" in records:
        metric = SPL(sync_on_compute=False)  # computed over these tasks, without synchronising with other processes
        columns = (success, records["path_length"], records["shortest_path"])
        metric.update(*(torch.as_tensor(column) for column in columns))
        spl = float(metric.compute())
    metric_goals = "final_distance" in records
    return {
        "success": _rate(success),
        "within": {f"{t:g}": _rate(records[f"first_hit@{t:g}"] >= 0) for t in thresholds} if metric_goals else None,
        "believed_success": _rate(records["believed"]) if "believed" in records else None,
        "final_distance": {
            "mean": float(records["final_distance"].mean()),
            "median": float(np.median(records["final_distance"])),
        }
        if metric_goals
        else None,
        "steps_to_success": float(first_hit[success].mean()) if success.any() else None,
        "spl": spl,
        "contacts": float(records["contacts"].mean()) if "contacts" in records else None,
    }


def _rate(success: NDArray[np.bool_]) -> dict[str, float]:
    metric = SuccessRate(sync_on_compute=False)
    metric.update(torch.as_tensor(success))
    low, high = metric.interval()
    return {"rate": float(metric.compute()), "low": low, "high": high, "successes": int(success.sum())}
