"""Costs of goals whose numbers have different units."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from gbplan import checks
from gbplan.objectives.objective import Objective
from gbplan.objectives.staged import at_step


@dataclass(frozen=True)
class Scaled(Objective):
    """Another objective on scaled predictions and goals: each number is divided by its own scale.

    This balances pixels and angles, the agent and the object that it pushes. With the tolerances of the environment's
    success as scale, distance 1 is about success, whatever the task. Give an angle as cosine and sine, which are
    differentiable everywhere; their scale is then the tolerance in rad. Where no tolerance is known, the scale may come
    from the data: distance 1 is then one standard deviation, and a temperature such as ``ReachGoal``'s means the same
    in metres and in pixels.

    Args:
        objective: the objective of the scaled numbers.
        scale: numbers > 0 in the goal's units, one for each entry of its last dimension, or one for all; infinity
            leaves an entry out. ``data``: the standard deviations of the training frames, which the world model knows
            (1 for a simulator, which has seen no data, and for an encoder that was trained with the model). Scales of
            one ``Scaled`` inside another multiply.

    Raises:
        ValueError: the scale is empty, or contains NaN or a number that is not positive.
    """

    objective: Objective
    scale: Sequence[float] | Literal["data"]

    def __post_init__(self) -> None:
        """Check the settings."""
        checks.kind_of(Objective, objective=self.objective)
        if self.scale == "data":
            return
        if isinstance(self.scale, str) or not len(self.scale) or not all(each > 0 for each in self.scale):
            given = self.scale if isinstance(self.scale, str) else list(self.scale)
            raise ValueError(f"scale must be one or more numbers above 0, or data, got {given}")
        object.__setattr__(self, "scale", tuple(map(float, self.scale)))

    def at_step(self, step: int) -> "Scaled":
        """Return the objective of a plan made after ``step`` executed model steps, with the same scale."""
        return replace(self, objective=at_step(self.objective, step))

    @property
    def needs_data(self) -> bool:
        """Whether its scale, or that of a ``Scaled`` inside it, comes from the data."""
        return self.scale == "data" or (isinstance(self.objective, Scaled) and self.objective.needs_data)

    def of_data(self, deviations: Tensor) -> "Scaled":
        """Return the objective with these standard deviations as its scale, and inside it; a scale of numbers stays.

        Args:
            deviations: of the goal's numbers, ``(*G)``; entries of the last dimension share their root mean square over
                the others.
        """
        inner = with_data_scale(self.objective, lambda: deviations)
        if self.scale != "data":
            return self if inner is self.objective else replace(self, objective=inner)
        rows = deviations.reshape(-1, deviations.shape[-1])
        # A single row is taken as it is, because its square and root may round.
        scale = rows[0] if len(rows) == 1 else rows.square().mean(0).sqrt()
        return replace(self, objective=inner, scale=scale.tolist())

    def weights(self, goal: Tensor) -> Tensor:
        """Factors for goals ``(B, *G)``, broadcast over all but the last dimension.

        Raises:
            ValueError: the last dimension has another size, or the scale of the data is not known.
        """
        if isinstance(self.scale, str):
            raise ValueError(
                "the scale must be numbers when a cost is computed, got 'data'; PlanningProblem.from_observations "
                "takes them from the world model, but only for a Scaled that is the whole objective or directly inside "
                "another Scaled; anywhere else, give numbers, or call of_data(model.goal_deviations()) first"
            )
        if len(self.scale) not in (1, goal.shape[-1]):
            raise ValueError(
                f"scale has {len(self.scale)} numbers, but the model's goals have shape {tuple(goal.shape[1:])}; give "
                "one for each entry of the last dimension, or one for all"
            )
        return 1 / torch.tensor(self.scale, dtype=goal.dtype, device=goal.device)

    def __call__(self, predicted: Tensor, goal: Tensor, actions: Tensor) -> Tensor:
        """Cost of each row, ``(B,)``; see ``Objective``."""
        weights = self.weights(goal)
        return self.objective(predicted * weights, goal * weights, actions)


def with_data_scale(objective: Objective, deviations: Callable[[], Tensor]) -> Objective:
    """Return the objective with its scale computed from ``deviations()``, if it takes its scale from the data."""
    return objective.of_data(deviations()) if isinstance(objective, Scaled) and objective.needs_data else objective
