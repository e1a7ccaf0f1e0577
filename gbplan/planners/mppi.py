"""Planning with model predictive path integral control."""

from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from gbplan import checks
from gbplan.planners.noise import Knots, Noise, draw_around, draw_for
from gbplan.planners.plan import Plan
from gbplan.planners.planner import Planner
from gbplan.planners.problem import PlanningProblem
from gbplan.planners.scoring import Incumbent, comparable


@dataclass(frozen=True)
class MPPIPlanner(Planner):
    """Samples around a mean, and moves the mean to their average, weighted by ``exp(-cost / temperature)``.

    Samples are clipped to the action bounds before they are rolled out, and the first sample of each iteration is the
    mean itself. The spread does not shrink, so only the mean converges. A sample whose cost is not finite has no
    weight.

    A task costs ``num_samples * iterations * H`` model calls. Temperature and noise were chosen on the true dynamics of
    a point in a room with a door, with ``ReachGoal``; another objective may need another temperature.

    Source: Williams et al., Information theoretic MPC for model-based reinforcement learning, ICRA 2017, with several
    updates per plan.

    Args:
        horizon: number of steps H planned ahead.
        iterations: number of times the samples are drawn.
        num_samples: samples S per iteration.
        temperature: in the objective's units, > 0; a sample that costs this much more than the best one weighs e times
            less. Towards zero the mean jumps to the best sample.
        noise_std: standard deviation of the samples around the mean, in half ranges of the action box.
        noise: distribution of the samples.

    Raises:
        ValueError: a number is out of range.
    """

    iterations: int = 30
    num_samples: int = 300
    temperature: float = 0.02
    noise_std: float = 1.0
    noise: Noise = Knots()

    def __post_init__(self) -> None:
        """Check the settings."""
        super().__post_init__()
        checks.at_least_one(iterations=self.iterations, num_samples=self.num_samples)
        checks.positive(temperature=self.temperature, noise_std=self.noise_std)
        checks.kind_of(Noise, noise=self.noise)

    def _plan(self, problem: PlanningProblem, init: Tensor | None, horizon: int, generator: Generator) -> Plan:
        shape = (problem.batch_size, horizon, problem.action_dim)
        mean = problem.center.expand(shape) if init is None else init
        best = Incumbent(*shape, like=mean)
        trace = []
        for _ in range(self.iterations):
            noise = draw_for(problem, self.noise, self.num_samples, horizon, generator)
            samples = draw_around(problem, mean, self.noise_std * problem.half_range, noise)  # (B, S, H, A)
            cost = problem.cost(samples)
            best.update(samples, cost)
            trace.append(best.cost)
            # Without any finite cost the weights would be NaN; as zeros they leave the mean where it is.
            weight = torch.softmax(-comparable(cost) / self.temperature, dim=1).nan_to_num(0.0)
            mean = mean + (weight[..., None, None] * (samples - mean[:, None])).sum(1)
        calls = torch.full((shape[0],), self.iterations * self.num_samples * horizon, device=mean.device)
        return Plan(best.actions, best.cost, torch.stack(trace), calls)
