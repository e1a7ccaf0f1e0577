"""The data of an evaluation that figures need."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gbplan.evaluation.evaluate import EvaluationResult


def drawable(
    result: EvaluationResult, goals: NDArray, background: ArrayLike | None, shown: int = 16
) -> dict[str, NDArray]:
    """Take the first episodes, if the goal space is a plane, and the landscape if there is one.

    Args:
        result: the result of N tasks.
        goals: ``(N, *G)``.
        background: line segments behind the paths, ``(W, 2, 2)``; None without any.
        shown: n, upper limit of episodes.

    Returns:
        ``success`` ``(n,)`` and ``goals`` ``(n, *G)``. If the goal space is a plane, also ``executed``
        ``(n, T + 1, 2)``, padded with NaN, ``radius`` of the goal region (NaN without one), ``background``, and
        ``imagined`` ``(n, H, 2)`` if the model has a probe. If there is a landscape, ``alpha``, ``beta`` and one
        ``loss of <model>`` for each model.
    """
    achieved = result.trajectories.observations["achieved_goal"]
    arrays: dict[str, NDArray] = {"success": result.success[:shown], "goals": goals[:shown]}
    if achieved.shape[1:] == (2,):
        arrays |= {
            "executed": _padded([achieved[episode] for episode in result.trajectories.episodes()][:shown]),
            "radius": np.array(np.nan if result.radius is None else result.radius),
            "background": np.zeros((0, 2, 2)) if background is None else np.asarray(background),
        }
        if result.imagined is not None:
            arrays["imagined"] = result.imagined[:shown]
    if result.landscape is not None:
        arrays |= {"alpha": result.landscape.alpha, "beta": result.landscape.beta}
        arrays |= {f"loss of {name}": loss for name, loss in result.landscape.loss.items()}
    return arrays


def _padded(paths: Sequence[NDArray]) -> NDArray:
    longest = max(map(len, paths))
    rest = [np.full((longest - len(path), 2), np.nan) for path in paths]
    return np.stack([np.concatenate(parts) for parts in zip(paths, rest, strict=True)])
