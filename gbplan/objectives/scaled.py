"""Costs of goals whose numbers have different units."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

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
    differentiable everywhere; their scale is then the tolerance in rad.

    Args:
        objective: the objective of the scaled numbers.
        scale: numbers > 0 in the goal's units, one for each entry of its last dimension, or one for all; infinity
            leaves an entry out.

    Raises:
        ValueError: the scale is empty, or contains NaN or a number that is not positive.
    """

    objective: Objective
    scale: Sequence[float]

    def __post_init__(self) -> None:
        """Check the settings."""
        checks.kind_of(Objective, objective=self.objective)
        if not len(self.scale) or not all(each > 0 for each in self.scale):
            raise ValueError(f"scale must be one or more numbers above 0, got {list(self.scale)}")
        object.__setattr__(self, "scale", tuple(map(float, self.scale)))

    def at_step(self, step: int) -> "Scaled":
        """The same, for a plan made after ``step`` executed model steps."""
        return replace(self, objective=at_step(self.objective, step))

    def weights(self, goal: Tensor) -> Tensor:
        """Factors for goals ``(B, *G)``, broadcast over all but the last dimension.

        Raises:
            ValueError: the last dimension has another size.
        """
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
