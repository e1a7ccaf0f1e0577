"""Costs of candidates, and their gradients, in chunks that fit into memory.

B tasks, S candidates per task, H steps. Candidates become rows; the rows of a task are adjacent, and share its context
and goal. Each chunk goes forward and backward before the next, so memory does not grow with the number of candidates.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from gbplan.networks.fused.constant_parameters import constant_parameters
from gbplan.networks.fused.gradients import goal_features_with_pullback, rollout_with_pullback
from gbplan.networks.predictor import repeated
from gbplan.networks.world_model import WorldModel
from gbplan.objectives.gradients import cost_and_gradients, reads_last_only
from gbplan.planners import memory

if TYPE_CHECKING:
    from gbplan.planners.problem import PlanningProblem


def achieved(problem: "PlanningProblem", actions: Tensor, read: Callable[[Tensor], Tensor]) -> Tensor:
    """Return ``read`` of the latents of candidates ``(B, S, H, A)``, ``(B, S, H, ...)``."""
    size = memory.rows_at_once(problem, actions.shape[2])
    return joined([read(_latents(part, rows)) for rows, part in chunks(problem, actions, size)], actions.shape[:2])


def cost(problem: "PlanningProblem", actions: Tensor) -> tuple[Tensor, ...]:
    """Cost ``(B, S)`` of candidates ``(B, S, H, A)``."""
    size = memory.rows_at_once(problem, actions.shape[2])
    costs = [_roll_out(part, rows)[0] for rows, part in chunks(problem, actions, size)]
    return (joined(costs, actions.shape[:2]),)


def cost_and_latents(problem: "PlanningProblem", actions: Tensor) -> tuple[Tensor, ...]:
    """Cost ``(B, S)`` of candidates ``(B, S, H, A)``, and the latents ``(B, S, H, *D)`` they lead through."""
    size = memory.rows_at_once(problem, actions.shape[2])
    parts = [_roll_out(part, rows) for rows, part in chunks(problem, actions, size)]
    return tuple(joined(each, actions.shape[:2]) for each in zip(*parts, strict=True))


def cost_and_gradient(problem: "PlanningProblem", actions: Tensor) -> tuple[Tensor, ...]:
    """Cost ``(B, S)`` of candidates ``(B, S, H, A)``, and its gradient for them."""
    size = memory.rows_at_once(problem, actions.shape[2], with_gradient=True)
    parts = [_roll_out_and_back(part, rows) for rows, part in chunks(problem, actions, size)]
    return tuple(joined(each, actions.shape[:2]) for each in zip(*parts, strict=True))


def chunks(problem: "PlanningProblem", actions: Tensor, size: int) -> "Iterator[tuple[Tensor, PlanningProblem]]":
    """Cut candidates ``(B, S, H, A)`` into rows ``(R, H, A)``, R <= ``size``, each part with the problem of its tasks.

    A part has all candidates of some tasks, or some candidates of one.

    Raises:
        ValueError: the candidates have another shape.
    """
    expected = (problem.batch_size, problem.action_dim)
    if actions.ndim != 4 or (actions.shape[0], actions.shape[3]) != expected:
        raise ValueError(
            f"candidates must have shape (B, S, H, A) with B = {expected[0]} and A = {expected[1]}, a model action's, "
            f"got {tuple(actions.shape)}"
        )
    batch, samples = actions.shape[:2]
    tasks = max(1, size // samples)
    if samples <= size and batch <= tasks:
        yield actions.flatten(0, 1), problem
        return
    even = -(-samples // -(-samples // size))  # parts of a task that does not fit are about equally large
    for start in range(0, batch, tasks):
        some = slice(start, start + tasks)
        for rows in actions[some].split(even, dim=1):
            yield rows.flatten(0, 1), problem.select(some)


def joined(parts: Sequence[Tensor], lead: tuple[int, ...]) -> Tensor:
    """Join the rows of all parts ``(R, ...)`` as ``(B, S, ...)``; a single part is not copied."""
    rows = parts[0] if len(parts) == 1 else torch.cat(list(parts))
    return rows.reshape(*lead, *rows.shape[1:])


def _latents(problem: "PlanningProblem", rows: Tensor) -> Tensor:
    """Roll out candidates ``(R, H, A)`` into latents ``(R, H, *D)``."""
    with constant_parameters(problem.model):
        latents = problem.model.rollout(*_start(problem, len(rows)), rows)
    _require_latents(problem, latents, rows)
    return latents


def _start(problem: "PlanningProblem", count: int) -> tuple[Tensor, Tensor]:
    """Context and past actions for the rollouts of ``count`` candidates."""
    context, past = problem.context, problem.past_actions
    if getattr(type(problem.model), "rollout", None) is WorldModel.rollout:  # computes once what candidates share
        return context, past
    return repeated(context, count), repeated(past, count)


def _roll_out(problem: "PlanningProblem", rows: Tensor) -> tuple[Tensor, Tensor]:
    """Cost ``(R,)`` and latents ``(R, H, *D)`` of candidates ``(R, H, A)``."""
    latents = _latents(problem, rows)
    goal = repeated(problem.goal, len(rows))
    cost = problem.objective(problem.model.goal_features(_read(problem, latents)), goal, rows)
    _require_one_cost_per_row(problem, cost, rows)
    return cost, latents


def _roll_out_and_back(problem: "PlanningProblem", rows: Tensor) -> tuple[Tensor, Tensor]:
    """Cost ``(R,)`` of candidates ``(R, H, A)``, and its gradient."""
    with constant_parameters(problem.model):
        latents, to_actions = rollout_with_pullback(problem.model, *_start(problem, len(rows)), rows)
    _require_latents(problem, latents, rows)
    read = _read(problem, latents)
    features, to_latents = goal_features_with_pullback(problem.model, read)
    goal = repeated(problem.goal, len(rows))
    cost, grad_features, grad_rows = cost_and_gradients(problem.objective, features, goal, rows)
    _require_one_cost_per_row(problem, cost, rows)
    grad_latents = to_latents(grad_features)
    if read is not latents:
        grad_latents = torch.cat([torch.zeros_like(latents[:, 1:]), grad_latents], dim=1)
    gradient = to_actions(grad_latents)
    return cost, gradient if grad_rows is None else gradient + grad_rows


def _read(problem: "PlanningProblem", latents: Tensor) -> Tensor:
    """The latents ``(B, H, *D)`` that the objective depends on."""
    return latents[:, -1:] if reads_last_only(problem.objective) else latents


def _require_latents(problem: "PlanningProblem", latents: Tensor, rows: Tensor) -> None:
    expected = (*rows.shape[:2], *problem.context.shape[2:])
    if latents.shape != expected:
        raise ValueError(
            f"the rollout of {type(problem.model).__name__} must return latents of shape (rows, H, *D) = {expected}, "
            f"got {tuple(latents.shape)}; the context must not be among them"
        )


def _require_one_cost_per_row(problem: "PlanningProblem", cost: Tensor, rows: Tensor) -> None:
    if cost.shape != rows.shape[:1]:
        raise ValueError(
            f"the objective {type(problem.objective).__name__} must return one cost per row, of shape "
            f"{tuple(rows.shape[:1])}, got {tuple(cost.shape)}; it must not average over rows"
        )
