"""Scores candidates, selects the best few, and remembers the best."""

import torch
from torch import Generator, Tensor

from gbplan.planners.noise import Noise, draw_for
from gbplan.planners.problem import PlanningProblem


def comparable(cost: Tensor) -> Tensor:
    """Cost with NaN and -inf replaced by +inf: overflowed candidates must never win, and NaN has no order."""
    return cost.nan_to_num(torch.inf, torch.inf, torch.inf)


def lowest(samples: Tensor, cost: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Select the candidates of lowest cost, best first.

    Args:
        samples: candidates, ``(B, S, H, A)``.
        cost: their costs, ``(B, S)``; those that are not finite come last.
        count: number to select, <= S.

    Returns:
        The candidates, ``(B, count, H, A)``, and their costs, ``(B, count)``.
    """
    cost, index = comparable(cost).topk(count, largest=False)
    return samples.gather(1, index[..., None, None].expand(-1, -1, *samples.shape[2:])), cost


class Incumbent:
    """Lowest-cost candidate of each of B tasks, among all scored so far."""

    def __init__(self, batch: int, horizon: int, dim: int, like: Tensor) -> None:
        """Begin without candidates, at infinite cost; tensors have the dtype and device of ``like``."""
        self.actions = like.new_zeros(batch, horizon, dim)
        self.cost = like.new_full((batch,), torch.inf)

    def update(self, actions: Tensor, cost: Tensor, rows: Tensor | None = None) -> None:
        """Keep better candidates; among equals, the earlier one. A NaN cost is never better.

        ``self.cost`` and ``self.actions`` are replaced, never written to, so callers may keep earlier ones.

        Args:
            actions: candidates, ``(N, S, H, A)``.
            cost: their costs, ``(N, S)``.
            rows: indices of their N tasks, ``(N,)``; None: all B.
        """
        if actions.shape[1] == 1:
            cost, found = comparable(cost.squeeze(1)), actions.squeeze(1)
        else:
            cost, index = comparable(cost).min(dim=1)
            found = actions[torch.arange(len(index), device=index.device), index]
        if rows is not None:
            cost = self.cost.index_copy(0, rows, cost)
            found = self.actions.index_copy(0, rows, found)
        better = cost < self.cost
        self.cost = torch.where(better, cost, self.cost)
        self.actions = found.where(better[:, None, None], self.actions)


def best_of_a_draw(
    problem: PlanningProblem,
    init: Tensor | None,
    noise: Noise,
    std: float,
    count: int,
    keep: int,
    horizon: int,
    generator: Generator,
) -> tuple[Tensor, Incumbent]:
    """Draw candidates around the middle of the action box, score them, and keep the best few.

    Args:
        problem: B tasks, which all get the same draws.
        init: ``(B, H, A)``, replaces the first candidate; None: all are drawn.
        noise: distribution of the candidates.
        std: standard deviation before clipping to the bounds, in half ranges of the action box.
        count: number of candidates S, which cost ``S * H`` model calls a task.
        keep: number of candidates to keep, <= S.
        horizon: steps H.
        generator: see ``Noise.draw``.

    Returns:
        The candidates of lowest cost, best first, ``(B, keep, H, A)``, and the incumbent of all candidates.
    """
    drawn = draw_for(problem, noise, count, horizon, generator).to(problem.low)
    candidates = problem.clip(problem.center + std * problem.half_range * drawn).expand(problem.batch_size, -1, -1, -1)
    if init is not None:
        candidates = torch.cat([init[:, None], candidates[:, 1:]], dim=1)
    cost = problem.cost(candidates)
    best = Incumbent(problem.batch_size, horizon, problem.action_dim, like=candidates)
    best.update(candidates, cost)
    return lowest(candidates, cost, keep)[0], best
