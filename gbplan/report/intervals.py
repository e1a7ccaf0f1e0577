"""Bootstrap intervals over training seeds and tasks together."""

from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri, stdtrit  # scipy.stats takes a second to import

LEVEL = 0.95
DRAWS = 2000


def success_interval(solved: NDArray[np.bool_]) -> tuple[float, float]:
    """Return the interval of the success rate of a method trained with several seeds.

    Args:
        solved: which tasks each model solved, ``(S, T)``: one row per training seed, one column per task.

    Returns:
        Lower and upper end of the 95 % interval, in [0, 1]. For a single model it is close to the Wilson interval.
    """
    # Agresti and Coull (1998): add two solved and two unsolved tasks, so that no rate is certain, not even 100 %.
    low, high = _interval(solved.astype(float), added=(0.0, 0.0, 1.0, 1.0))
    return max(low, 0.0), min(high, 1.0)


def paired_difference(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> tuple[float, float, float]:
    """Return the difference in success of two methods, paired by task and seed.

    Args:
        one: which tasks each model of one method solved, ``(S, T)``.
        other: the same for the other method; equal rows share the training seed, equal columns the task.

    Returns:
        Difference of the rates and the ends of its 95 % interval, in [-1, 1]. An interval that excludes zero is a
        difference by a two-sided test at 5 %.
    """
    difference = one.astype(float) - other.astype(float)
    # Agresti and Min (2005), for pairs: add one task to each side. With a single seed, a side is then ahead from six
    # tasks that only it solves, as in McNemar's exact test.
    low, high = _interval(difference, added=(-1.0, 1.0))
    return float(difference.mean()), max(low, -1.0), min(high, 1.0)


def _interval(values: NDArray[np.float64], added: tuple[float, ...]) -> tuple[float, float]:
    """Percentile bootstrap of the mean of a crossed table, ``(S, T)``.

    All models face the same tasks, so tasks are drawn once for all seeds (Owen 2007, the pigeonhole bootstrap). With
    separate draws within each seed, as for nested data, a hard task would count as S independent failures, and the
    interval would be too narrow. ``scipy.stats.bootstrap`` draws along one axis only.

    With few seeds the plain percentile interval is too narrow for two reasons. The variance of S values about their own
    mean is (S - 1) / S of the true one: S - 1 seeds are drawn instead of S (Rao and Wu 1988). And an estimated variance
    needs Student's t: deviations are stretched by the ratio of its quantile to the normal one, with S - 1 degrees of
    freedom if only seeds vary, and more degrees the larger the tasks' share of the variance (Satterthwaite 1946). With
    three seeds that vary much, the plain 95 % interval contained the truth in 79 % of simulations with nested draws, in
    83 % with crossed ones, and in 95 % with both corrections; where tasks vary most, it errs on the wide side.

    Args:
        values: value of each seed and task.
        added: values of additional tasks, the same for all seeds.
    """
    seeds = len(values)
    values = np.hstack([values, np.tile(added, (seeds, 1))])
    of_seeds, of_tasks = _weights(*values.shape)
    mean, means = values.mean(), np.einsum("bt,bt->b", of_seeds @ values, of_tasks)
    by_seed = values.mean(1).var(ddof=1) / seeds if seeds > 1 else 0.0  # variance of the mean due to seeds alone
    freedom = (seeds - 1) * (means.var() / by_seed) ** 2 if by_seed > 0 else np.inf
    tail = (1 - LEVEL) / 2
    stretch = stdtrit(max(freedom, seeds - 1), 1 - tail) / ndtri(1 - tail)
    low, high = mean + stretch * (np.quantile(means, [tail, 1 - tail]) - mean)
    return round(float(low), 12), round(float(high), 12)  # an end that should be zero must not be a rounding error


@cache
def _weights(seeds: int, tasks: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return each draw's weights of seeds, ``(B, S)``, and tasks, ``(B, T)``; rows sum to one. Deterministic."""
    rng = np.random.default_rng((seeds, tasks))
    drawn = max(seeds - 1, 1)
    of_seeds = rng.multinomial(drawn, np.full(seeds, 1 / seeds), DRAWS) / drawn
    return of_seeds, rng.multinomial(tasks, np.full(tasks, 1 / tasks), DRAWS) / tasks
