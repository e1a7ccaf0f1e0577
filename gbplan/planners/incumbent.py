"""Remembering the best candidate, and picking the best few."""

import torch
from torch import Tensor


def comparable(cost: Tensor) -> Tensor:
    """Cost with NaN and -inf replaced by +inf: what has overflowed must never win, and NaN fits no ordering."""
    return cost.nan_to_num(torch.inf, torch.inf, torch.inf)


def lowest(samples: Tensor, cost: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Pick the candidates of lowest cost, best first.

    Args:
        samples: candidates, ``(B, S, H, A)``.
        cost: their costs, ``(B, S)``; those that are not finite come last.
        count: how many, <= S.

    Returns:
        The candidates, ``(B, count, H, A)``, and their costs, ``(B, count)``.
    """
    cost, index = comparable(cost).topk(count, largest=False)
    return samples.gather(1, index[..., None, None].expand(-1, -1, *samples.shape[2:])), cost


class Incumbent:
    """Lowest-cost candidate of each of B tasks among all those offered."""

    def __init__(self, batch: int, horizon: int, dim: int, like: Tensor) -> None:
        """Begin with none, at infinite cost; tensors have the dtype and device of ``like``."""
        self.actions = like.new_zeros(batch, horizon, dim)
        self.cost = like.new_full((batch,), torch.inf)

    def offer(self, actions: Tensor, cost: Tensor, rows: Tensor | None = None) -> None:
        """Keep what is better; of equals the earlier. A cost that is NaN is never better.

        ``self.cost`` and ``self.actions`` are replaced, never written to: a caller may keep an earlier one.

        Args:
            actions: candidates, ``(N, S, H, A)``.
            cost: their costs, ``(N, S)``.
            rows: indices of the N tasks they are for, ``(N,)``; None: all B.
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
