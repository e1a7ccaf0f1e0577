import numpy as np
import pytest
from scipy.stats import norm

from gbplan.evaluation import wilson_interval
from gbplan.report.intervals import paired_difference, success_interval


def solved(count, tasks=512, seeds=1):
    return np.tile(np.arange(tasks) < count, (seeds, 1))


@pytest.mark.parametrize("count", [0, 3, 210, 256, 500, 512])
def test_interval_of_a_single_seed_is_about_wilsons(count):
    np.testing.assert_allclose(success_interval(solved(count)), wilson_interval(count, 512), atol=0.005)


def test_models_that_solve_the_same_tasks_say_no_more_than_one_of_them():
    np.testing.assert_allclose(success_interval(solved(400, seeds=5)), success_interval(solved(400)), atol=0.01)


def test_seeds_that_differ_widen_the_interval_beyond_that_over_tasks():
    low, high = success_interval(np.vstack([solved(count) for count in (256, 300, 350, 400, 440)]))
    assert low < 300 / 512  # t with 4 degrees of freedom: 349 +- 2.78 * 73.5 / sqrt(5)
    assert high > 400 / 512
    assert high - low == pytest.approx(2 * 2.78 * 73.5 / 5**0.5 / 512, rel=0.25)


def test_interval_is_the_same_every_time():
    rng = np.random.default_rng(0)
    outcomes = rng.random((3, 64)) < 0.7
    assert success_interval(outcomes) == success_interval(outcomes.copy())


def test_methods_that_are_one_do_not_differ():
    outcomes = np.random.default_rng(0).random((5, 512)) < 0.9
    difference, low, high = paired_difference(outcomes, outcomes)
    assert difference == 0
    assert -0.01 < low < 0 < high < 0.01


@pytest.mark.parametrize(("only_one", "ahead"), [(4, False), (5, False), (7, True), (10, True)])
def test_a_single_seed_is_ahead_about_where_mcnemars_test_says_so(only_one, ahead):
    """Of k tasks that only one side solves, McNemar's exact p is 2 / 2^k: below 0.05 from six on."""
    _, low, _ = paired_difference(solved(500 + only_one), solved(500))
    assert (low > 0) == ahead


def test_pairs_tell_what_separate_intervals_do_not():
    """Both methods share hard tasks, and one solves a few more in every seed."""
    rng = np.random.default_rng(0)
    hard = rng.random(512) < 0.4
    other = np.tile(~hard, (5, 1)) ^ (rng.random((5, 512)) < 0.01)
    one = other | (rng.random((5, 512)) < 0.06)
    assert success_interval(one)[0] < success_interval(other)[1]
    assert paired_difference(one, other)[1] > 0
    assert paired_difference(other, one)[2] < 0


@pytest.mark.end_to_end
@pytest.mark.parametrize("seeds", [3, 5])
@pytest.mark.parametrize(("level", "of_seed", "of_task"), [(0.0, 0.3, 1.0), (0.0, 0.05, 2.0), (2.5, 0.2, 1.0)])
def test_interval_contains_the_truth_nineteen_times_of_twenty(seeds, level, of_seed, of_task):
    """Success where a latent of known mean, and known variances over seeds, tasks and both, is positive."""
    rng = np.random.default_rng(seeds)
    truth = norm.cdf(level / (of_seed**2 + of_task**2 + 1) ** 0.5)
    held = []
    for _ in range(400):
        noise = of_seed * rng.standard_normal((seeds, 1)) + of_task * rng.standard_normal(256)
        low, high = success_interval(level + noise + rng.standard_normal((seeds, 256)) > 0)
        held.append(low <= truth <= high)
    assert np.mean(held) > 0.95 - 2 * (0.95 * 0.05 / 400) ** 0.5
