"""Planning by gradient descent on the actions, through the world model."""

from typing import Literal

import torch
from torch import Generator, Tensor

from gbplan import checks
from gbplan.planners.descent import Descent, Optimizer
from gbplan.planners.incumbent import Incumbent, lowest
from gbplan.planners.noise import Proposal, draw_candidates
from gbplan.planners.plan import Plan
from gbplan.planners.planner import Planner
from gbplan.planners.problem import PlanningProblem

Bounds = Literal["clip", "tanh"]

_TANH_MARGIN = 1e-3  # candidates on the bounds would start where tanh is flat


class GradientPlanner(Planner):
    """Draws many candidates, scores them once, and refines the best few by gradient descent.

    Candidates cost a forward pass each and find the basin; refinement finds its bottom. ``lr``, ``init_std`` and
    ``action_noise`` are counted in half ranges of the action box, ``(high - low) / 2``, so the same numbers serve any
    units. Whatever evaluates to NaN or infinity is passed over.

    A task costs ``num_samples * H`` model calls for the candidates and ``restarts * (2 * iterations + 1) * H`` for the
    refinement, less what early stopping saves.

    For a squared cost such as ``GoalMSE``, whose curvature is known, plain descent ("gd") in steps of about its inverse
    needs a tenth of Adam's steps, which leaves time for more restarts (benchmarks/planners.py).

    The paper's open-loop planner (arXiv 2512.09929, Algorithm 1, as in its code) is ``proposal="white"``,
    ``init_std=1``, ``num_samples=1``, ``restarts=1``, ``action_noise=0.003``, ``lr=0.3``, ``iterations=300``, except
    that it bounds no action and returns the last iterate rather than the best.

    The defaults were chosen on the true dynamics of a point in a room with a door: correlated candidates at full speed
    matter most, then their number, then descent; four restarts or eight, clip or tanh, and the learning rate hardly
    matter.
    """

    def __init__(
        self,
        horizon: int = 50,
        iterations: int = 40,
        lr: float = 0.1,
        optimizer: Optimizer = "adam",
        num_samples: int = 256,
        restarts: int = 4,
        proposal: Proposal | Literal["zero"] = "knots",
        num_knots: int = 5,
        init_std: float = 2.0,
        action_noise: float = 0.0,
        bounds: Bounds = "clip",
        patience: int | None = None,
        tolerance: float = 1e-4,
        weight_decay: float = 0.01,
    ) -> None:
        """Set the budget and the descent.

        Args:
            horizon: number of steps H planned ahead.
            iterations: descent steps, at most.
            lr: step size.
            optimizer: plain gradient descent ("gd"), with momentum 0.9, Adam, or AdamW.
            num_samples: candidates S, drawn at random; with an ``init``, that is the first of them.
            restarts: how many of the best candidates are refined, <= ``num_samples``.
            proposal: candidates are white noise, noise correlated in time through knots, or the one that stays in the
                middle of the action box ("zero", which takes ``num_samples`` 1).
            num_knots: knots per candidate, for ``proposal="knots"``.
            init_std: standard deviation of the candidates (at the knots) before they are clipped to the bounds; at 2,
                arcs spend most of their time at full speed.
            action_noise: standard deviation of the noise added after each descent step.
            bounds: keep to the action box by clipping after each step, or by descending on ``u`` with
                ``action = center + half range * tanh(u)``.
            patience: a task stops when its lowest cost fell by no more than ``tolerance`` in this many iterations;
                None: never.
            tolerance: see ``patience``; in the objective's units.
            weight_decay: of AdamW, whose every step also shrinks the actions by ``lr * weight_decay`` of their distance
                from the middle of the action box (with ``bounds="tanh"``, of ``u``).

        Raises:
            ValueError: a number is out of range, a choice is unknown, or restarts exceed candidates.
        """
        super().__init__(horizon)
        checks.at_least_one(iterations=iterations, num_samples=num_samples, restarts=restarts, num_knots=num_knots)
        checks.positive(lr=lr)
        checks.not_negative(init_std=init_std, action_noise=action_noise)
        checks.not_negative(tolerance=tolerance, weight_decay=weight_decay)
        checks.ascending(restarts=restarts, num_samples=num_samples)
        checks.one_of(Optimizer, optimizer=optimizer)
        checks.one_of(Bounds, bounds=bounds)
        checks.one_of(Literal[Proposal, "zero"], proposal=proposal)
        if proposal == "zero" and num_samples > 1:
            raise ValueError(f'proposal="zero" is a single candidate: num_samples must be 1, got {num_samples}')
        if patience is not None:
            checks.at_least_one(patience=patience)
        self.iterations = iterations
        self.lr = lr
        self.optimizer: Optimizer = optimizer
        self.num_samples = num_samples
        self.restarts = restarts
        self.proposal: Proposal | Literal["zero"] = proposal
        self.num_knots = num_knots
        self.init_std = init_std
        self.action_noise = action_noise
        self.bounds: Bounds = bounds
        self.patience = patience
        self.tolerance = tolerance
        self.weight_decay = weight_decay

    def _plan(self, problem: PlanningProblem, init: Tensor | None, horizon: int, generator: Generator) -> Plan:
        candidates = draw_candidates(
            problem, init, self.proposal, self.num_samples, horizon, self.num_knots, self.init_std, generator
        )
        cost = problem.cost(candidates)
        best = Incumbent(problem.batch_size, horizon, problem.action_dim, like=candidates)
        best.offer(candidates, cost)
        calls = torch.full((problem.batch_size,), self.num_samples * horizon, device=cost.device)
        starts, _ = lowest(candidates, cost, self.restarts)
        return self._refine(problem, starts, best, calls, generator)

    def _refine(
        self, problem: PlanningProblem, starts: Tensor, best: Incumbent, calls: Tensor, generator: Generator
    ) -> Plan:
        """Descend from ``starts`` ``(B, R, H, A)``; tasks that stall leave, ``rows`` are those still running."""
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
                best.offer(actions, problem.cost(actions), rows)
                trace.append(best.cost)
                break
            cost, gradient = problem.cost_and_gradient(actions)
            best.offer(actions, cost, rows)
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
                calls[rows[~falling]] += 2 * (k + 1) * rollout_calls  # forth and back
                rows, x, problem = rows[falling], x[falling], problem.select(falling)
                descent.select(falling)
                if not len(rows):
                    break
        calls[slice(None) if rows is None else rows] += (2 * self.iterations + 1) * rollout_calls
        trace += trace[-1:] * (self.iterations + 1 - len(trace))
        return Plan(best.actions, best.cost, torch.stack(trace[1:]), calls)
