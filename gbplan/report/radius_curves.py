"""Curves of success against the attack radius in training, from result files."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from gbplan.plots import Curve

ATTACK = ("class", "attack", "latent_factor", "action_factor", "radii", "clean_fraction", "attack_seed")
"""Settings of a training that may differ within a panel: only those of ``AdversarialWorldModelModule``."""


def radius_curves(of_kind: list[tuple[str, dict[str, Any], dict[str, Any]]]) -> dict[str, dict[str, Curve]]:
    """Group results whose trainings differ only by the attack.

    Args:
        of_kind: name, contents and metrics (of one task kind) of each result. Results of older versions do not record
            how their model was trained, and are left out.

    Returns:
        Panels, by data and initial model of the trainings: a line for each attack, and the success without an attack as
        a level. Only panels in which some attack has several radii.
    """
    panels: dict[str, dict[str, dict[float, tuple[float, ...]]]] = {}
    titles: dict[str, str] = {}
    for name, result, metrics in of_kind:
        training = result.get("training")
        if not training:
            continue
        found = _attack(training)
        if found is None:
            continue
        attack, radius = found
        method = {key: value for key, value in result["method"].items() if key not in ("model", "model_sha256")}
        others = {key: value for key, value in training.items() if key not in ATTACK}
        key = json.dumps([method, others, result["environment"], metrics["count"]], sort_keys=True)
        title = _title(training)
        titles.setdefault(key, title if title not in titles.values() else f"{title}\n{name}")
        lines = panels.setdefault(titles[key], {})
        if radius in lines.get(attack, {}):  # they differ by something else, such as the radius of the actions
            attack = f"{attack} ({name})"
        rate = metrics["success"]
        lines.setdefault(attack, {})[radius] = (rate["rate"], rate["low"], rate["high"])
    return {
        title: {attack: _curve(points) for attack, points in lines.items()}
        for title, lines in panels.items()
        if any(len(points) > 1 for points in lines.values())
    }


def _attack(training: dict[str, Any]) -> tuple[str, float] | None:
    """Return name and radius of the attack, in standard deviations of the latent; 0 without attack, None if unknown.

    If the radius of the latent is zero, the radius is that of the action.
    """
    if training.get("class") == "WorldModelModule":
        return "no attack", 0.0
    attack = training.get("attack") or {}
    kind = attack.get("class_path", "").rsplit(".", 1)[-1]
    if kind in ("", "NoAttack"):
        return ("no attack", 0.0) if kind else None
    latent, action = training.get("latent_factor") or 0.0, training.get("action_factor") or 0.0
    if isinstance(latent, list) or isinstance(action, list):  # no point on a curve of one radius
        return None
    where = {(True, False): ["latents only"], (False, True): ["actions only"]}.get((latent > 0, action > 0), [])
    parts = [kind, *(f"{key} {value}" for key, value in attack.get("init_args", {}).items()), *where]
    return ", ".join(parts), latent or action


def _title(training: dict[str, Any]) -> str:
    data = " + ".join(Path(dataset).name for dataset in training["data"].get("datasets", ()))
    start = training.get("init_from")
    return f"{data}\nfrom {Path(start).parent.name}" if start else data


def _curve(points: dict[float, tuple[float, ...]]) -> Curve:
    radii = sorted(points)
    columns = np.array([points[radius] for radius in radii]).T
    return Curve(None if radii == [0] else radii, *columns)
