"""Records of a planning policy's plans."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class PlanRecord:
    """Plans made at one step for n rows, with the model's belief.

    Attributes:
        rows: rows of the vector environment with a plan, ``(n,)``.
        actions: the planned model actions, ``(n, H, A')``, environment units.
        predicted: predicted achieved goals at steps 1..H, ``(n, H, ...)``, in the environment's goal space; None if the
            model has no probe.
        cost: the objective's value of the plans, ``(n,)``.
    """

    rows: NDArray[np.int64]
    actions: NDArray[np.float32]
    predicted: NDArray[np.float32] | None
    cost: NDArray[np.float32]


@dataclass(frozen=True)
class PlanningEffort:
    """Time and model calls of planning since the last reset, over all rows.

    Attributes:
        plans: number of plans; one call for n rows makes n.
        seconds: wall time spent in the planner. Rows planned together share it, so divide by ``plans`` for the time
            per plan at that batch size, not for the time a single plan would take.
        model_calls: steps of the model, as ``Plan.model_calls`` counts them.
    """

    plans: int = 0
    seconds: float = 0.0
    model_calls: int = 0
