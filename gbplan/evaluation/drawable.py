"""The part of an evaluation that figures are drawn from."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gbplan.evaluation.evaluate import EvaluationResult


def drawable(result: EvaluationResult, goals: NDArray, walls: ArrayLike | None, shown: int = 16) -> dict[str, NDArray]:
    """Take the first episodes, and the landscape if there is one.

    Args:
        result: of N tasks.
        goals: ``(N, *G)``.
        walls: wall segments, ``(W, 2, 2)``; None: there are none.
        shown: n, number of episodes, at most.

    Returns:
        ``executed`` ``(n, T + 1, *G)``, filled up with NaN; ``goals`` ``(n, *G)``; ``success`` ``(n,)`` at the first
        ``threshold``; ``walls``; and where there are any, ``imagined`` ``(n, H, *G)``, and of a landscape ``alpha``,
        ``beta`` and one ``loss of <model>`` for each.
    """
    achieved = result.trajectories.observations["achieved_goal"]
    threshold = next(iter(result.metrics["success"]))
    arrays = {
        "executed": _padded([achieved[episode] for episode in result.trajectories.episodes()][:shown]),
        "goals": goals[:shown],
        "success": result.records[f"first_hit@{threshold}"][:shown] >= 0,
        "threshold": np.array(float(threshold)),
        "walls": np.zeros((0, 2, 2)) if walls is None else np.asarray(walls),
    }
    if result.imagined is not None:
        arrays["imagined"] = result.imagined[:shown]
    if result.landscape is not None:
        arrays |= {"alpha": result.landscape.alpha, "beta": result.landscape.beta}
        arrays |= {f"loss of {name}": loss for name, loss in result.landscape.loss.items()}
    return arrays


def _padded(paths: Sequence[NDArray]) -> NDArray:
    longest = max(map(len, paths))
    rest = [np.full((longest - len(path), *path.shape[1:]), np.nan, path.dtype) for path in paths]
    return np.stack([np.concatenate(parts) for parts in zip(paths, rest, strict=True)])
