"""Planning with the improved cross-entropy method."""

import math
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from gbplan import checks
from gbplan.planners.noise import Colored, Noise, draw_around, draw_for
from gbplan.planners.plan import Plan
from gbplan.planners.planner import Planner
from gbplan.planners.problem import PlanningProblem
from gbplan.planners.scoring import Incumbent, lowest


@dataclass(frozen=True)
class ICEMPlanner(Planner):
    """CEM with correlated noise, kept elites, fewer samples in each iteration, and a mean with momentum.

    - Noise is coloured: its power falls with frequency.
    - The best ``keep_elites`` samples compete again in the next iteration, without another rollout.
    - Iteration i draws ``num_samples * decay ** -i`` samples, at least ``2 * num_elites`` and at most ``num_samples``.
    - The new mean and spread are averaged with the old ones, which have the weight ``momentum``.
    - The first and the last iteration score the mean itself. In the first it is ``init``: the planner has no state
      between calls, so the best elite of an earlier plan, shifted in time, is the only one that it can continue from.

    Samples are clipped to the action bounds before they are rolled out. Standard deviations are counted in half ranges
    of the action box. A task costs the number of samples drawn, times H, model calls.

    The paper's own settings depend on the task: 10 elites (30 % are kept), decay 1.25, momentum 0.1 and exponents of
    0.25 to 4. Samples, iterations and elites here are those of the common CEM, and the initial spread is that of
    ``CEMPlanner``.

    Source: Pinneri et al., Sample-efficient cross-entropy method for real-time planning, CoRL 2020.

    Args:
        horizon: number of steps H planned ahead.
        iterations: number of times samples are drawn.
        num_samples: samples S of the first iteration.
        num_elites: number of best samples that determine the next mean and spread, <= ``num_samples``.
        keep_elites: number of elites kept for the next iteration, <= ``num_elites``.
        decay: the number of samples is divided by this each iteration, >= 1.
        momentum: share of the old mean and spread in the new ones, in 0..1, 1 excluded.
        noise: distribution of the samples.
        init_std: standard deviation in the first iteration.
        min_std: lower limit of each action's standard deviation.

    Raises:
        ValueError: a number is out of range, there are more elites than samples, or more are kept than there are.
    """

    iterations: int = 30
    num_samples: int = 300
    num_elites: int = 30
    keep_elites: int = 9
    decay: float = 1.25
    momentum: float = 0.1
    noise: Noise = Colored(exponent=2.0)
    init_std: float = 2.0
    min_std: float = 0.05

    def __post_init__(self) -> None:
        """Check the settings."""
        super().__post_init__()
        checks.at_least_one(iterations=self.iterations, num_samples=self.num_samples, num_elites=self.num_elites)
        checks.not_negative(keep_elites=self.keep_elites, min_std=self.min_std, init_std=self.init_std)
        checks.ascending(keep_elites=self.keep_elites, num_elites=self.num_elites, num_samples=self.num_samples)
        checks.ascending(min_std=self.min_std, init_std=self.init_std)
        checks.at_least_one(decay=self.decay)
        checks.share(momentum=self.momentum, below_one=True)
        checks.kind_of(Noise, noise=self.noise)

    def samples_of(self, iteration: int) -> int:
        """Number of samples that iteration 0, 1, ... draws."""
        decayed = math.ceil(self.num_samples * self.decay**-iteration)
        return min(self.num_samples, max(decayed, 2 * self.num_elites))

    def _plan(self, problem: PlanningProblem, init: Tensor | None, horizon: int, generator: Generator) -> Plan:
        shape = (problem.batch_size, horizon, problem.action_dim)
        mean = problem.center.expand(shape) if init is None else init
        std = (self.init_std * problem.half_range).expand(shape)
        best = Incumbent(*shape, like=mean)
        kept, kept_cost = mean.new_zeros(shape[0], 0, *shape[1:]), mean.new_zeros(shape[0], 0)
        trace = []
        for k in range(self.iterations):
            noise = draw_for(problem, self.noise, self.samples_of(k), horizon, generator)
            keep_mean = k in (0, self.iterations - 1)
            samples = draw_around(problem, mean, std, noise, keep_mean=keep_mean)  # (B, S, H, A)
            cost = problem.cost(samples)
            best.update(samples, cost)
            trace.append(best.cost)
            rivals = torch.cat([samples, kept], dim=1), torch.cat([cost, kept_cost], dim=1)
            elites, elite_cost = lowest(*rivals, self.num_elites)
            kept, kept_cost = elites[:, : self.keep_elites], elite_cost[:, : self.keep_elites]
            mean = torch.lerp(elites.mean(1), mean, self.momentum)
            spread = elites.std(1, correction=0)
            std = torch.lerp(spread, std, self.momentum).maximum(self.min_std * problem.half_range)
        drawn = sum(self.samples_of(k) for k in range(self.iterations))
        calls = torch.full((shape[0],), drawn * horizon, device=mean.device)
        return Plan(best.actions, best.cost, torch.stack(trace), calls)
