"""The best candidate seen so far: what a planner returns."""

import torch
from torch import Tensor


def comparable(cost: Tensor) -> Tensor:
    """Costs that can be ranked: NaN, which has no order, becomes infinity."""
    return cost.where(cost.isfinite(), torch.inf)


class Incumbent:
    """Lowest-cost candidate of each of B tasks among all those offered."""

    def __init__(self, batch: int, horizon: int, dim: int, like: Tensor) -> None:
        """Begin with none, at infinite cost; tensors have the dtype and device of ``like``."""
        self.actions = like.new_zeros(batch, horizon, dim)
        self.cost = like.new_full((batch,), torch.inf)

    @torch.no_grad()
    def offer(self, actions: Tensor, cost: Tensor, rows: Tensor | None = None) -> None:
        """Keep what is better; of equals the earlier. A cost that is NaN is never better.

        Args:
            actions: candidates, ``(N, S, H, A)``.
            cost: their costs, ``(N, S)``.
            rows: indices of the N tasks they are for, ``(N,)``; None: all B.
        """
        if rows is None:
            rows = torch.arange(len(self.cost), device=self.cost.device)
        cost, index = comparable(cost).min(dim=1)
        better = cost < self.cost[rows]
        self.cost[rows[better]] = cost[better]
        self.actions[rows[better]] = actions[better, index[better]]
