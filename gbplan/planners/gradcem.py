"""Planning with the cross-entropy method and gradient descent on its samples."""

from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from gbplan import checks
from gbplan.planners.descent import Descent
from gbplan.planners.noise import Knots, Noise, draw_for
from gbplan.planners.plan import Plan
from gbplan.planners.planner import Planner
from gbplan.planners.problem import PlanningProblem
from gbplan.planners.scoring import Incumbent, lowest


@dataclass(frozen=True)
class GradCEMPlanner(Planner):
    """CEM that improves each sample by a few steps of Adam before it picks the elites.

    Samples are clipped to the action bounds, before and after each step; the first sample of each iteration is the
    mean. ``lr`` and standard deviations are counted in half ranges of the action box. Adam starts afresh in each
    iteration, so a single step moves every action by ``lr``, whatever the size of its gradient.

    A task costs ``num_samples * (2 * gradient_steps + 1) * iterations * H`` model calls.

    The defaults are the numbers of the paper's code (arXiv 2512.09929: 300 samples, 30 elites, 30 iterations, one step
    of Adam at 0.3), and the noise that of ``CEMPlanner``; the paper's is ``noise=White()``, ``init_std=1``,
    ``action_noise=0.003``.

    Source: Bharadhwaj, Xie, Shkurti, Model-predictive control via cross-entropy and gradient-based optimization, L4DC
    2020.

    Args:
        horizon: number of steps H planned ahead.
        iterations: number of times the samples are drawn.
        num_samples: samples S per iteration.
        num_elites: number of best samples that determine the next mean and spread, <= ``num_samples``.
        gradient_steps: descent steps of each sample.
        lr: step size of Adam.
        action_noise: standard deviation of the noise added after each descent step.
        noise: distribution of the samples.
        init_std: standard deviation in the first iteration.
        min_std: lower limit of each action's standard deviation.

    Raises:
        ValueError: a number is out of range, or there are more elites than samples.
    """

    iterations: int = 30
    num_samples: int = 300
    num_elites: int = 30
    gradient_steps: int = 1
    lr: float = 0.3
    action_noise: float = 0.0
    noise: Noise = Knots()
    init_std: float = 2.0
    min_std: float = 0.05

    def __post_init__(self) -> None:
        """Check the settings."""
        super().__post_init__()
        checks.at_least_one(iterations=self.iterations, num_samples=self.num_samples, num_elites=self.num_elites)
        checks.at_least_one(gradient_steps=self.gradient_steps)
        checks.positive(lr=self.lr)
        checks.not_negative(action_noise=self.action_noise, min_std=self.min_std, init_std=self.init_std)
        checks.ascending(num_elites=self.num_elites, num_samples=self.num_samples)
        checks.ascending(min_std=self.min_std, init_std=self.init_std)
        checks.kind_of(Noise, noise=self.noise)

    def _plan(self, problem: PlanningProblem, init: Tensor | None, horizon: int, generator: Generator) -> Plan:
        shape = (problem.batch_size, horizon, problem.action_dim)
        center, half_range = problem.center, problem.half_range
        # All quantities are in half ranges: the box becomes [-1, 1].
        mean = torch.zeros(shape).to(center) if init is None else (init - center) / half_range
        std = torch.full(shape, self.init_std).to(center)
        best = Incumbent(*shape, like=mean)
        trace = []
        for _ in range(self.iterations):
            noise = draw_for(problem, self.noise, self.num_samples, horizon, generator).to(mean)
            noise[0] = 0.0
            x = (mean[:, None] + std[:, None] * noise).clamp(-1, 1)  # (B, S, H, A)
            descent = Descent("adam", self.lr, x)
            for _ in range(self.gradient_steps):
                actions = center + half_range * x
                cost, gradient = problem.cost_and_gradient(actions)
                best.update(actions, cost)
                descent.step(x, gradient * half_range)
                if self.action_noise:
                    drawn = torch.randn(x.shape[1:], generator=generator, dtype=torch.float32)
                    x += self.action_noise * drawn.to(x)
                x.clamp_(-1, 1)
            actions = center + half_range * x
            cost = problem.cost(actions)
            best.update(actions, cost)
            trace.append(best.cost)
            elites, _ = lowest(x, cost, self.num_elites)
            mean = elites.mean(1)
            std = elites.std(1, correction=0).clamp(min=self.min_std)
        spent = self.iterations * self.num_samples * (2 * self.gradient_steps + 1) * horizon
        calls = torch.full((shape[0],), spent, device=mean.device)
        return Plan(best.actions, best.cost, torch.stack(trace), calls)
