"""Planning by random shooting."""

from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from gbplan import checks
from gbplan.planners.noise import Knots, Noise
from gbplan.planners.plan import Plan
from gbplan.planners.planner import Planner
from gbplan.planners.problem import PlanningProblem
from gbplan.planners.scoring import best_of_a_draw


@dataclass(frozen=True)
class RandomShooting(Planner):
    """Draws action sequences once, and returns the best: a baseline for all other planners.

    A task costs ``num_samples * H`` model calls.

    Args:
        horizon: number of steps H planned ahead.
        num_samples: sequences S, drawn at random; an ``init`` replaces the first.
        noise: distribution of the sequences.
        init_std: standard deviation before clipping to the bounds, in half ranges of the action box.

    Raises:
        ValueError: a number is out of range.
    """

    num_samples: int = 300
    noise: Noise = Knots()
    init_std: float = 2.0

    def __post_init__(self) -> None:
        """Check the settings."""
        super().__post_init__()
        checks.at_least_one(num_samples=self.num_samples)
        checks.not_negative(init_std=self.init_std)
        checks.kind_of(Noise, noise=self.noise)

    def _plan(self, problem: PlanningProblem, init: Tensor | None, horizon: int, generator: Generator) -> Plan:
        _, best = best_of_a_draw(problem, init, self.noise, self.init_std, self.num_samples, 1, horizon, generator)
        calls = torch.full((problem.batch_size,), self.num_samples * horizon, device=best.cost.device)
        return Plan(best.actions, best.cost, best.cost[None], calls)
