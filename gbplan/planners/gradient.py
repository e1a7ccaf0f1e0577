"""Planning by gradient descent on the actions, through the world model."""

import math
from typing import Literal, get_args

import torch
from torch import Generator, Tensor

from gbplan.planners.incumbent import Incumbent, comparable
from gbplan.planners.plan import Plan
from gbplan.planners.planner import Planner
from gbplan.planners.problem import PlanningProblem
from gbplan.planners.proposals import Proposal, draw_proposals

Optimizer = Literal["gd", "adam"]
Bounds = Literal["clip", "tanh"]

_BETA1, _BETA2, _EPSILON = 0.9, 0.999, 1e-8  # Adam's, as in its paper
_TANH_MARGIN = 1e-3  # candidates on the bounds would start where tanh is flat


class GradientPlanner(Planner):
    """Draws many candidates, scores them once, and refines the best few by gradient descent.

    Candidates cost a forward pass each and find the basin; refinement finds its bottom. ``lr``, ``init_std`` and
    ``action_noise`` are counted in half ranges of the action box, ``(high - low) / 2``, so the same numbers serve any
    units. Whatever evaluates to NaN or infinity is passed over.

    A task costs ``num_samples * H`` model calls for the candidates and ``restarts * (2 * iterations + 1) * H`` for the
    refinement, less what early stopping saves.

    The paper's open-loop planner (arXiv 2512.09929, Algorithm 1, as in its code) is ``proposal="white"``,
    ``init_std=1``, ``num_samples=1``, ``restarts=1``, ``action_noise=0.003``, ``lr=0.3``, ``iterations=300``, except
    that it bounds no action and returns the last iterate rather than the best.

    The defaults were chosen on the true dynamics of ``DoorWall-v0``: correlated candidates at full speed matter most,
    then their number, then descent; four restarts or eight, clip or tanh, and the learning rate hardly matter.
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
    ) -> None:
        """Set the budget and the descent.

        Args:
            horizon: number of steps H planned ahead.
            iterations: descent steps, at most.
            lr: step size.
            optimizer: Adam, or plain gradient descent.
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

        Raises:
            ValueError: a number is out of range, a choice is unknown, or restarts exceed candidates.
        """
        super().__init__(horizon)
        if min(iterations, num_samples, restarts, num_knots) < 1:
            raise ValueError(
                "iterations, num_samples, restarts and num_knots must be at least 1, "
                f"got {iterations}, {num_samples}, {restarts} and {num_knots}"
            )
        if restarts > num_samples:
            raise ValueError(f"restarts must not exceed num_samples, got {restarts} > {num_samples}")
        if proposal == "zero" and num_samples > 1:
            raise ValueError(f'proposal="zero" is a single candidate: num_samples must be 1, got {num_samples}')
        choices = {
            "optimizer": (optimizer, get_args(Optimizer)),
            "bounds": (bounds, get_args(Bounds)),
            "proposal": (proposal, ("zero", *get_args(Proposal))),
        }
        for name, (given, allowed) in choices.items():
            if given not in allowed:
                raise ValueError(f"{name} must be one of {list(allowed)}, got {given!r}")
        if not (lr > 0 and math.isfinite(lr)):
            raise ValueError(f"lr must be positive and finite, got {lr}")
        for name, value in {"init_std": init_std, "action_noise": action_noise, "tolerance": tolerance}.items():
            if not (value >= 0 and math.isfinite(value)):
                raise ValueError(f"{name} must be finite and not negative, got {value}")
        if patience is not None and patience < 1:
            raise ValueError(f"patience must be at least 1, or None, got {patience}")
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

    def _plan(self, problem: PlanningProblem, init: Tensor | None, horizon: int, generator: Generator) -> Plan:
        candidates = self._candidates(problem, init, horizon, generator)  # (B, S, H, A)
        with torch.no_grad():
            cost = problem.cost(candidates)
        best = Incumbent(problem.batch_size, horizon, problem.action_dim, like=candidates)
        best.offer(candidates, cost)
        calls = torch.full((problem.batch_size,), self.num_samples * horizon, device=cost.device)
        index = comparable(cost).topk(self.restarts, largest=False).indices
        starts = candidates.gather(1, index[..., None, None].expand(-1, -1, *candidates.shape[2:]))
        return self._refine(problem, starts, best, calls, generator)

    def _candidates(self, problem: PlanningProblem, init: Tensor | None, horizon: int, generator: Generator) -> Tensor:
        noise = torch.zeros(1, horizon, problem.action_dim)
        if self.proposal != "zero":
            noise = draw_proposals(
                self.proposal, self.num_samples, horizon, problem.action_dim, self.num_knots, generator
            )
        drawn = problem.center + self.init_std * problem.half_range * noise.to(problem.low)
        candidates = drawn.clamp(problem.low, problem.high).expand(problem.batch_size, -1, -1, -1)
        return candidates if init is None else torch.cat([init[:, None], candidates[:, 1:]], dim=1)

    def _refine(
        self, problem: PlanningProblem, starts: Tensor, best: Incumbent, calls: Tensor, generator: Generator
    ) -> Plan:
        """Descend from ``starts`` ``(B, R, H, A)``; tasks that stall leave, ``rows`` are those still running."""
        rollout_calls = starts.shape[1] * starts.shape[2]
        x = (starts - problem.center) / problem.half_range  # the box becomes [-1, 1]
        if self.bounds == "tanh":
            x = x.clamp(_TANH_MARGIN - 1, 1 - _TANH_MARGIN).atanh()
        m, v = torch.zeros_like(x), torch.zeros_like(x)
        rows = torch.arange(len(x), device=x.device)
        running = problem
        trace = []
        for k in range(self.iterations + 1):
            x.requires_grad_()
            with torch.set_grad_enabled(k < self.iterations):  # the last iterate is scored only
                inside = x.tanh() if self.bounds == "tanh" else x
                actions = problem.center + problem.half_range * inside
                cost = running.cost(actions)
            best.offer(actions.detach(), cost.detach(), rows)
            trace.append(best.cost.clone())
            if k == self.iterations:
                calls[rows] += rollout_calls
                break
            # autograd.grad, not backward: backward would leave gradients on the world model's parameters.
            (g,) = torch.autograd.grad(cost.sum(), x)
            calls[rows] += 2 * rollout_calls  # forth and back
            with torch.no_grad():
                g = g.nan_to_num(0.0, 0.0, 0.0)  # a rollout that overflows stays where it is
                m = _BETA1 * m + (1 - _BETA1) * g
                v = _BETA2 * v + (1 - _BETA2) * g.square()
                if self.optimizer == "adam":
                    m_hat, v_hat = m / (1 - _BETA1 ** (k + 1)), v / (1 - _BETA2 ** (k + 1))
                    g = m_hat / (v_hat.sqrt() + _EPSILON)
                x = x.detach() - self.lr * g
                if self.action_noise:
                    noise = torch.randn(x.shape[1:], generator=generator, dtype=torch.float64)
                    x = x + self.action_noise * noise.to(x)
                if self.bounds == "clip":
                    x = x.clamp(-1, 1)
                if self.patience is not None and k >= self.patience:
                    falling = trace[k - self.patience][rows] - trace[k][rows] > self.tolerance
                    rows, x, m, v = rows[falling], x[falling], m[falling], v[falling]
                    running = problem.select(rows)
                    if not len(rows):
                        break
        trace += trace[-1:] * (self.iterations + 1 - len(trace))
        return Plan(best.actions, best.cost, torch.stack(trace[1:]), calls)
