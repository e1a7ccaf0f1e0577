"""Planning by gradient descent on the actions, through the world model."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Generator, Tensor

from gbplan import checks
from gbplan.planners.descent import Descent, Optimizer
from gbplan.planners.noise import Knots, Noise
from gbplan.planners.plan import Plan
from gbplan.planners.planner import Planner
from gbplan.planners.problem import PlanningProblem
from gbplan.planners.scoring import Incumbent, best_of_a_draw

Bounds = Literal["clip", "tanh"]

_TANH_MARGIN = 1e-3  # candidates on the bounds would start where tanh is flat


@dataclass(frozen=True)
class GradientPlanner(Planner):
    """Draws many candidates, scores them once, and refines the best few by gradient descent.

    Candidates cost one forward pass each and find the basin; refinement finds its minimum. ``lr``, ``init_std`` and
    ``action_noise`` are counted in half ranges of the action box, ``(high - low) / 2``, so the same numbers work in any
    units. Candidates whose cost is NaN or infinite are skipped.

    A task costs ``num_samples * H`` model calls for the candidates and ``restarts * (2 * iterations + 1) * H`` for the
    refinement, minus the savings of early stopping.

    For a squared cost such as ``GoalMSE``, whose curvature is known, plain descent ("gd") in steps of about its inverse
    needs a tenth of Adam's steps, which leaves time for more restarts (benchmarks/planners.py).

    The paper's open-loop planner (arXiv 2512.09929, Algorithm 1, as in its code) is ``noise=White()``, ``init_std=1``,
    ``num_samples=1``, ``restarts=1``, ``action_noise=0.003``, ``lr=0.3``, ``iterations=300``, except that it bounds no
    action and returns the last iterate rather than the best. ``num_samples=1`` with ``init_std=0`` starts in the middle
    of the action box.

    The defaults were chosen on the true dynamics of a point in a room with a door: correlated candidates at full speed
    matter most, then their number, then descent. Whether there are four restarts or eight, clip or tanh, and the
    learning rate hardly matter.

    Args:
        horizon: number of steps H planned ahead.
        iterations: descent steps, at most.
        lr: step size.
        optimizer: plain gradient descent ("gd"), with momentum 0.9, Adam, or AdamW.
        num_samples: candidates S, drawn at random; an ``init`` replaces the first.
        restarts: number of best candidates to refine, <= ``num_samples``.
        noise: distribution of the candidates.
        init_std: standard deviation of the candidates before they are clipped to the bounds; at 2, arcs through
            ``Knots`` spend most of their time at full speed.
        action_noise: standard deviation of the noise added after each descent step.
        bounds: stay in the action box by clipping after each step, or by descent on ``u`` with
            ``action = center + half range * tanh(u)``.
        patience: a task stops when its lowest cost fell by no more than ``tolerance`` in this many iterations;
            None: never.
        tolerance: see ``patience``; in the objective's units.
        weight_decay: AdamW's weight decay: each step also shrinks the actions by ``lr * weight_decay`` of their
            distance from the middle of the action box (with ``bounds="tanh"``, of ``u``).

    Raises:
        ValueError: a number is out of range, a choice is unknown, or restarts exceed candidates.
    """

    iterations: int = 40
    lr: float = 0.1
    optimizer: Optimizer = "adam"
    num_samples: int = 256
    restarts: int = 4
    noise: Noise = Knots()
    init_std: float = 2.0
    action_noise: float = 0.0
    bounds: Bounds = "clip"
    patience: int | None = None
    tolerance: float = 1e-4
    weight_decay: float = 0.01

    def __post_init__(self) -> None:
        """Check the settings."""
        super().__post_init__()
        checks.at_least_one(iterations=self.iterations, num_samples=self.num_samples, restarts=self.restarts)
        checks.positive(lr=self.lr)
        checks.not_negative(init_std=self.init_std, action_noise=self.action_noise)
        checks.not_negative(tolerance=self.tolerance, weight_decay=self.weight_decay)
        checks.ascending(restarts=self.restarts, num_samples=self.num_samples)
        checks.one_of(Optimizer, optimizer=self.optimizer)
        checks.one_of(Bounds, bounds=self.bounds)
        checks.kind_of(Noise, noise=self.noise)
        if self.patience is not None:
            checks.at_least_one(patience=self.patience)

    def _plan(self, problem: PlanningProblem, init: Tensor | None, horizon: int, generator: Generator) -> Plan:
        starts, best = best_of_a_draw(
            problem, init, self.noise, self.init_std, self.num_samples, self.restarts, horizon, generator
        )
        calls = torch.full((problem.batch_size,), self.num_samples * horizon, device=starts.device)
        return self._refine(problem, starts, best, calls, generator)

    def _refine(
        self, problem: PlanningProblem, starts: Tensor, best: Incumbent, calls: Tensor, generator: Generator
    ) -> Plan:
        """Descend from ``starts`` ``(B, R, H, A)``; stalled tasks stop, ``rows`` are those still running."""
        center, half_range = problem.center, problem.half_range
        x = (starts - center) / half_range  # the box becomes [-1, 1]
        if self.bounds == "tanh":
            x = x.clamp(_TANH_MARGIN - 1, 1 - _TANH_MARGIN).atanh()
        descent = Descent(self.optimizer, self.lr, x, self.weight_decay)
        rows: Tensor | None = None  # all of them
        rollout_calls = starts.shape[1] * starts.shape[2]
        trace = []
        for k in range(self.iterations + 1):
            inside = x.tanh() if self.bounds == "tanh" else x
            actions = torch.addcmul(center, half_range, inside)
            if k == self.iterations:  # the last iterate is scored only
                best.update(actions, problem.cost(actions), rows)
                trace.append(best.cost)
                break
            cost, gradient = problem.cost_and_gradient(actions)
            best.update(actions, cost, rows)
            trace.append(best.cost)
            gradient = gradient * half_range
            if self.bounds == "tanh":
                gradient *= 1 - inside.square()
            descent.step(x, gradient)
            if self.action_noise:
                noise = torch.randn(x.shape[1:], generator=generator, dtype=torch.float32)
                x += self.action_noise * noise.to(x)
            if self.bounds == "clip":
                x.clamp_(-1, 1)
            if self.patience is not None and k >= self.patience:
                fall = trace[k - self.patience] - trace[k]
                falling = (fall if rows is None else fall[rows]) > self.tolerance
                if falling.all():
                    continue
                if rows is None:
                    rows = torch.arange(len(x), device=x.device)
                calls[rows[~falling]] += 2 * (k + 1) * rollout_calls  # forward and backward
                rows, x, problem = rows[falling], x[falling], problem.select(falling)
                descent.select(falling)
                if not len(rows):
                    break
        calls[slice(None) if rows is None else rows] += (2 * self.iterations + 1) * rollout_calls
        trace += trace[-1:] * (self.iterations + 1 - len(trace))
        return Plan(best.actions, best.cost, torch.stack(trace[1:]), calls)
