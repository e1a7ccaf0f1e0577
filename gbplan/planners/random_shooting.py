"""Planning by guessing."""

import torch
from torch import Generator, Tensor

from gbplan import checks
from gbplan.planners.incumbent import Incumbent
from gbplan.planners.noise import Proposal, draw_candidates
from gbplan.planners.plan import Plan
from gbplan.planners.planner import Planner
from gbplan.planners.problem import PlanningProblem


class RandomShooting(Planner):
    """Draws action sequences once, and takes the best: what any other planner has to beat.

    A task costs ``num_samples * H`` model calls.
    """

    def __init__(
        self,
        horizon: int = 50,
        num_samples: int = 300,
        proposal: Proposal = "knots",
        num_knots: int = 5,
        init_std: float = 2.0,
    ) -> None:
        """Set the budget and the noise.

        Args:
            horizon: number of steps H planned ahead.
            num_samples: sequences S; with an ``init``, that is the first of them.
            proposal: noise that is white in time, or correlated through ``num_knots`` knots.
            num_knots: knots per sequence, for ``proposal="knots"``.
            init_std: standard deviation before clipping to the bounds, in half ranges of the action box.

        Raises:
            ValueError: a number is out of range, or the proposal is unknown.
        """
        super().__init__(horizon)
        checks.at_least_one(num_samples=num_samples, num_knots=num_knots)
        checks.not_negative(init_std=init_std)
        checks.one_of(Proposal, proposal=proposal)
        self.num_samples = num_samples
        self.proposal: Proposal = proposal
        self.num_knots = num_knots
        self.init_std = init_std

    def _plan(self, problem: PlanningProblem, init: Tensor | None, horizon: int, generator: Generator) -> Plan:
        candidates = draw_candidates(
            problem, init, self.proposal, self.num_samples, horizon, self.num_knots, self.init_std, generator
        )
        best = Incumbent(problem.batch_size, horizon, problem.action_dim, like=candidates)
        best.offer(candidates, problem.cost(candidates))
        calls = torch.full((problem.batch_size,), self.num_samples * horizon, device=candidates.device)
        return Plan(best.actions, best.cost, best.cost[None], calls)
