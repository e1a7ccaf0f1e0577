"""Costs of goals whose numbers have different units."""

from collections.abc import Sequence
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
            (1 for a simulator, which has seen no data, and for an encoder that was trained with the model).

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
        """The same, for a plan made after ``step`` executed model steps."""
        return replace(self, objective=at_step(self.objective, step))

    def of_data(self, deviations: Tensor) -> "Scaled":
        """The same with these standard deviations as scale, which a scale of numbers ignores.

        Args:
            deviations: of the goal's numbers, ``(*G)``; entries of the last dimension share their root mean square over
                the others.
        """
        if self.scale != "data":
            return self
        rows = deviations.reshape(-1, deviations.shape[-1])
        # A single row as it is: a square and its root may round.
        scale = rows[0] if len(rows) == 1 else rows.square().mean(0).sqrt()
        return replace(self, scale=scale.tolist())

    def weights(self, goal: Tensor) -> Tensor:
        """Factors for goals ``(B, *G)``, broadcast over all but the last dimension.

        Raises:
            ValueError: the last dimension has another size, or the scale of the data is not known.
        """
        if isinstance(self.scale, str):
            raise ValueError(
                "the scale of the data is the world model's; plan with PlanningProblem.from_observations, or call "
                "of_data(model.goal_deviations())"
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
