"""Planning with states as variables, so that the model predicts all steps in parallel."""

import math
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from gbplan import checks
from gbplan.networks.fused.gradients import rollout_with_pullback
from gbplan.networks.fused.pullback import Pullback, pullback_by_autograd
from gbplan.networks.predictor import stretches
from gbplan.planners import memory
from gbplan.planners.descent import Descent
from gbplan.planners.noise import Knots, Noise
from gbplan.planners.plan import Plan
from gbplan.planners.planner import Planner
from gbplan.planners.problem import PlanningProblem
from gbplan.planners.scoring import Incumbent, best_of_a_draw


@dataclass(frozen=True)
class GRASPPlanner(Planner):
    """Descends on actions and virtual states together: an iteration is one model step, for all times in parallel.

    Variables are the actions ``a_0 .. a_{H-1}`` and the states ``s_1 .. s_{H-1}``; ``s_0`` is the present, and the goal
    ``g`` should follow the last action. With ``F`` the model's step and ``G`` its goal features, an iteration descends
    on ::

        sum_{t < H-1} |F(s_t, a_t) - s_{t+1}|^2  +  sum_t w_t |G(F(s_t, a_t)) - g|^2

    where ``w_t`` is ``goal_weight``, plus 1 for the last step. The ``s_t`` inside ``F`` is treated as a constant: a
    state moves to its prediction, and gradients through the model, one step deep, are needed for actions only. States
    are jittered by noise, actions stay in their box. A model of K frames takes the last K states and actions for
    ``s_t`` and ``a_t``, and an action gets gradients from all K predictions that it takes part in.

    This sum is not the objective, which may be any. So every ``sync_every`` iterations, and at the end, the actions
    take ``sync_steps`` steps of Adam on the objective of their full rollout and are scored, and the states are reset to
    that rollout. Only scored actions are returned. Like ``GradientPlanner``, it starts from the best ``restarts`` of
    ``num_samples`` candidates: a look one step ahead finds no path round a wall.

    ``lr``, ``sync_lr`` and ``init_std`` are counted in half ranges of the action box. A task costs
    ``(num_samples + restarts) * H`` model calls to start with, ``2 * restarts * H`` per iteration, and
    ``(2 * sync_steps + 1) * restarts * H`` per sync.

    The differences from the paper: actions move by Adam; and states start on the candidates' rollouts, not on a line
    from ``s_0`` to the goal, which need not be a latent. The defaults, which are not the paper's either, were chosen on
    the true dynamics of a point in a room with a door, where the paper's goal weight of 1 pulls straight at the wall.

    Source: Psenka et al., Parallel stochastic gradient-based planning for world models, arXiv 2602.00475.

    Args:
        horizon: number of steps H planned ahead.
        iterations: parallel steps.
        lr: step size of Adam on the actions.
        state_lr: share of the distance that a state moves to its prediction, in 0..1.
        state_noise: standard deviation of the noise added to the states in each iteration, in latent units.
        goal_weight: weight of each step's distance to the goal, >= 0; that of the last step is 1 more.
        sync_every: iterations between two full rollouts.
        sync_steps: descent steps on each full rollout; 0 only scores.
        sync_lr: step size of Adam in these descent steps.
        num_samples: candidates S, drawn at random; an ``init`` replaces the first.
        restarts: number of best candidates to refine, <= ``num_samples``.
        noise: distribution of the candidates.
        init_std: standard deviation of the candidates before they are clipped to the bounds.

    Raises:
        ValueError: a number is out of range, or restarts exceed candidates.
    """

    iterations: int = 40
    lr: float = 0.02
    state_lr: float = 0.5
    state_noise: float = 0.01
    goal_weight: float = 0.02
    sync_every: int = 20
    sync_steps: int = 2
    sync_lr: float = 0.1
    num_samples: int = 256
    restarts: int = 4
    noise: Noise = Knots()
    init_std: float = 2.0

    def __post_init__(self) -> None:
        """Check the settings."""
        super().__post_init__()
        checks.at_least_one(iterations=self.iterations, sync_every=self.sync_every)
        checks.at_least_one(num_samples=self.num_samples, restarts=self.restarts)
        checks.positive(lr=self.lr, sync_lr=self.sync_lr)
        checks.count(sync_steps=self.sync_steps)
        checks.not_negative(state_noise=self.state_noise, goal_weight=self.goal_weight, init_std=self.init_std)
        checks.ascending(restarts=self.restarts, num_samples=self.num_samples)
        checks.share(state_lr=self.state_lr)
        checks.kind_of(Noise, noise=self.noise)

    def _plan(self, problem: PlanningProblem, init: Tensor | None, horizon: int, generator: Generator) -> Plan:
        actions, best = best_of_a_draw(
            problem, init, self.noise, self.init_std, self.num_samples, self.restarts, horizon, generator
        )  # (B, R, H, A)
        x = (actions - problem.center) / problem.half_range  # the box becomes [-1, 1]
        _, latents = problem.cost_and_latents(actions)
        states = torch.empty_like(latents)  # (B, R, H, *D); the first is the present
        states[:, :, 0] = problem.context[:, None, -1]
        states[:, :, 1:] = latents[:, :, :-1]
        weight = torch.full((horizon,), self.goal_weight).to(states)
        weight[-1] += 1.0
        descent = Descent("adam", self.lr, x)
        owner = torch.arange(problem.batch_size, device=x.device).repeat_interleave(self.restarts)
        candidates = problem.select(owner)  # each with the context and the goal of its task
        trace = []
        for k in range(1, self.iterations + 1):
            gradient, off = candidates.graphed(_pull, x.flatten(0, 1), states.flatten(0, 1), weight)
            descent.step(x, gradient.view(x.shape) * problem.half_range)
            x.clamp_(-1, 1)
            following = states[:, :, 1:]
            following.add_(off.nan_to_num_(0.0, 0.0, 0.0).view(following.shape), alpha=self.state_lr)
            if self.state_noise:
                noise = torch.randn(following.shape[1:], generator=generator, dtype=torch.float32)
                following.add_(noise.to(following), alpha=self.state_noise)
            if k % self.sync_every == 0 or k == self.iterations:
                self._sync(problem, x, states, best)
            trace.append(best.cost)
        syncs = math.ceil(self.iterations / self.sync_every)
        rollouts = self.num_samples + self.restarts * (
            1 + 2 * self.iterations + syncs * (2 * self.sync_steps + 1)  # forward and backward
        )
        calls = torch.full((problem.batch_size,), rollouts * horizon, device=x.device)
        return Plan(best.actions, best.cost, torch.stack(trace), calls)

    def _sync(self, problem: PlanningProblem, x: Tensor, states: Tensor, best: Incumbent) -> None:
        """Improve ``x`` on the objective of its full rollout, score it, and reset ``states`` to it; in place."""
        descent = Descent("adam", self.sync_lr, x)
        for _ in range(self.sync_steps):
            actions = problem.center + problem.half_range * x
            cost, gradient = problem.cost_and_gradient(actions)
            best.update(actions, cost)
            descent.step(x, gradient * problem.half_range)
            x.clamp_(-1, 1)
        actions = problem.center + problem.half_range * x
        cost, latents = problem.cost_and_latents(actions)
        best.update(actions, cost)
        states[:, :, 1:] = latents[:, :, :-1]


def _pull(problem: PlanningProblem, x: Tensor, states: Tensor, weight: Tensor) -> tuple[Tensor, ...]:
    """The gradient of actions and the displacement of states in one iteration.

    Args:
        problem: one task for each of N candidates.
        x: actions in half ranges, ``(N, H, A)``.
        states: where each step begins, ``(N, H, *D)``.
        weight: weight of each step's distance to the goal, ``(H,)``.

    Returns:
        The gradient of the actions, ``(N, H, A)``, and the difference between the model's prediction of each state
        except the first and that state, ``(N, H - 1, *D)``.
    """
    actions = torch.addcmul(problem.center, problem.half_range, x)
    size = memory.rows_at_once(problem, x.shape[1], with_gradient=True)
    if len(x) <= size:
        return _pull_at_once(problem, actions, states, weight)
    rows = torch.arange(len(x), device=x.device).split(size)
    parts = [_pull_at_once(problem.select(part), actions[part], states[part], weight) for part in rows]
    return tuple(torch.cat(each) for each in zip(*parts, strict=True))


def _pull_at_once(problem: PlanningProblem, actions: Tensor, states: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """``_pull`` in one piece, for actions ``(N, H, A)`` in environment units."""
    predicted, pullback = _predict_each(problem, states, actions)
    predicted.requires_grad_()
    with torch.enable_grad():
        features = problem.model.goal_features(predicted)  # (N, H, *G)
    gap = (features - problem.goal[:, None]) * weight.reshape(-1, *[1] * (features.ndim - 2))
    # The gradient of half the sum with respect to the predictions.
    (pull,) = torch.autograd.grad(features, predicted, gap)
    off = predicted.detach()[:, :-1] - states[:, 1:]
    pull[:, :-1] += off
    return pullback(pull), off


def _predict_each(problem: PlanningProblem, states: Tensor, actions: Tensor) -> tuple[Tensor, Pullback]:
    """Predict the next state of each state ``(N, H, *D)`` under its action ``(N, H, A)``, in parallel.

    Returns:
        Predictions ``(N, H, *D)``, detached, and their pullback: from their gradient to that of the actions.
    """
    model, history, shape = problem.model, problem.context.shape[1], states.shape
    if history == 1:
        one = actions.flatten(0, 1)[:, None]
        # A rollout of one step is a step, and faster if rollouts are fused.
        predicted, pullback = rollout_with_pullback(model, states.flatten(0, 1)[:, None], one[:, :0], one)
        return predicted.reshape(shape), lambda gradient: pullback(gradient.reshape(predicted.shape)).reshape(
            actions.shape
        )
    windows = stretches(torch.cat([problem.context[:, :-1], states], dim=1), history).flatten(0, 1)

    def predict(given: Tensor) -> Tensor:
        taken = stretches(torch.cat([problem.past_actions, given], dim=1), history).flatten(0, 1)
        return model.rollout(windows, taken[:, :-1], taken[:, -1:]).reshape(shape)

    return pullback_by_autograd(predict, actions)
