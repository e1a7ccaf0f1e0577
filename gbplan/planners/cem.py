"""Planning with the cross-entropy method."""

from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from gbplan import checks
from gbplan.planners.noise import Knots, Noise, draw_around, draw_for
from gbplan.planners.plan import Plan
from gbplan.planners.planner import Planner
from gbplan.planners.problem import PlanningProblem
from gbplan.planners.scoring import Incumbent, lowest


@dataclass(frozen=True)
class CEMPlanner(Planner):
    """Samples around a mean, and repeatedly moves mean and spread to those of the best samples.

    Samples are clipped to the action bounds before they are rolled out, so every scored sample can be executed.
    The first sample of each iteration is the mean itself. Standard deviations are counted in half ranges of the action
    box, ``(high - low) / 2``.

    A task costs ``num_samples * iterations * H`` model calls. The common CEM in the literature draws white noise,
    ``noise=White()``, ``init_std=1``; the defaults here are those of ``GradientPlanner``, for a fair comparison.

    Args:
        horizon: number of steps H planned ahead.
        iterations: number of times the samples are drawn.
        num_samples: samples S per iteration.
        num_elites: number of best samples that determine the next mean and spread, <= ``num_samples``.
        noise: distribution of the samples.
        init_std: standard deviation in the first iteration.
        min_std: lower limit of each action's standard deviation.

    Raises:
        ValueError: a number is out of range, or there are more elites than samples.
    """

    iterations: int = 30
    num_samples: int = 300
    num_elites: int = 30
    noise: Noise = Knots()
    init_std: float = 2.0
    min_std: float = 0.05

    def __post_init__(self) -> None:
        """Check the settings."""
        super().__post_init__()
        checks.at_least_one(iterations=self.iterations, num_samples=self.num_samples, num_elites=self.num_elites)
        checks.not_negative(min_std=self.min_std, init_std=self.init_std)
        checks.ascending(num_elites=self.num_elites, num_samples=self.num_samples)
        checks.ascending(min_std=self.min_std, init_std=self.init_std)
        checks.kind_of(Noise, noise=self.noise)

    def _plan(self, problem: PlanningProblem, init: Tensor | None, horizon: int, generator: Generator) -> Plan:
        shape = (problem.batch_size, horizon, problem.action_dim)
        mean = problem.center.expand(shape) if init is None else init
        std = (self.init_std * problem.half_range).expand(shape)
        best = Incumbent(*shape, like=mean)
        trace = []
        for _ in range(self.iterations):
            noise = draw_for(problem, self.noise, self.num_samples, horizon, generator)
            samples = draw_around(problem, mean, std, noise)  # (B, S, H, A)
            cost = problem.cost(samples)
            best.update(samples, cost)
            trace.append(best.cost)
            elites, _ = lowest(samples, cost, self.num_elites)
            mean = elites.mean(1)
            std = elites.std(1, correction=0).maximum(self.min_std * problem.half_range)
        calls = torch.full((shape[0],), self.iterations * self.num_samples * horizon, device=mean.device)
        return Plan(best.actions, best.cost, torch.stack(trace), calls)
