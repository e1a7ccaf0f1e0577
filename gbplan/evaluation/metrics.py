"""Metrics of planning, as torchmetrics."""

import math
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric


def wilson_interval(successes: int, count: int, z: float = 1.959964) -> tuple[float, float]:
    """95 % confidence interval of a proportion (Wilson 1927), good for rates near 0 and 1 too.

    Args:
        successes: how many succeeded.
        count: out of how many; 0 gives the whole range.
        z: normal quantile; the default is 97.5 %.

    Returns:
        Lower and upper bound, in [0, 1].

    Examples:
        >>> low, high = wilson_interval(47, 50)
        >>> round(low, 3), round(high, 3)
        (0.838, 0.979)
    """
    if count == 0:
        return 0.0, 1.0
    rate, z2 = successes / count, z * z
    centre = (rate + z2 / (2 * count)) / (1 + z2 / count)
    spread = z / (1 + z2 / count) * math.sqrt(rate * (1 - rate) / count + z2 / (4 * count * count))
    # Rounding would leave a rate of 0 or 1 slightly outside its interval.
    low = 0.0 if successes == 0 else max(0.0, centre - spread)
    high = 1.0 if successes == count else min(1.0, centre + spread)
    return low, high


class SuccessRate(Metric):
    """Share of episodes that succeeded, with its Wilson interval.

    Examples:
        >>> metric = SuccessRate()
        >>> metric.update(torch.tensor([True, False, True, True]))
        >>> float(metric.compute())
        0.75
        >>> [round(bound, 2) for bound in metric.interval()]
        [0.3, 0.95]
    """

    full_state_update = False
    higher_is_better = True
    is_differentiable = False
    successes: Tensor
    count: Tensor

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.add_state("successes", torch.zeros((), dtype=torch.long), dist_reduce_fx="sum")
        self.add_state("count", torch.zeros((), dtype=torch.long), dist_reduce_fx="sum")

    def update(self, success: Tensor) -> None:
        """Add episodes: ``success`` ``(N,)`` bool."""
        self.successes += success.bool().sum()
        self.count += success.numel()

    def compute(self) -> Tensor:
        """Success rate in [0, 1]; NaN without episodes."""
        return self.successes / self.count

    def interval(self) -> tuple[float, float]:
        """95 % Wilson interval of the rate."""
        return wilson_interval(int(self.successes), int(self.count))


class SPL(Metric):
    """Success weighted by path length (Anderson et al. 2018): mean of ``s * l / max(p, l)``.

    s is 1 for a success and 0 otherwise, l the length of the shortest path, p that of the path taken.

    Examples:
        >>> metric = SPL()
        >>> taken, shortest = torch.tensor([2.0, 1.0, 5.0]), torch.tensor([1.0, 1.0, 1.0])
        >>> metric.update(torch.tensor([True, True, False]), taken, shortest)
        >>> float(metric.compute())
        0.5
    """

    full_state_update = False
    higher_is_better = True
    is_differentiable = False
    total: Tensor
    count: Tensor

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.add_state("total", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("count", torch.zeros((), dtype=torch.long), dist_reduce_fx="sum")

    def update(self, success: Tensor, path: Tensor, shortest: Tensor) -> None:
        """Add episodes: success ``(N,)`` bool, path taken and shortest path ``(N,)``, both > 0."""
        self.total += (success * shortest / torch.maximum(path, shortest)).sum()
        self.count += success.numel()

    def compute(self) -> Tensor:
        """SPL in [0, 1]; NaN without episodes."""
        return self.total / self.count
