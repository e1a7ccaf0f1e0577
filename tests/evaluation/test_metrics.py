import doctest

import pytest
import torch

from gbplan.evaluation import SPL, SuccessRate, metrics, wilson_interval


def test_examples_in_the_docstrings_are_right():
    result = doctest.testmod(metrics)
    assert result.attempted > 0
    assert result.failed == 0


@pytest.mark.parametrize(
    ("successes", "low", "high"),  # of 50; published figures, in per cent
    [(47, 84, 98), (46, 81, 97), (41, 69, 90), (17, 22, 48), (5, 4, 21)],
)
def test_wilson_interval_matches_known_values(successes, low, high):
    assert [round(100 * bound) for bound in wilson_interval(successes, 50)] == [low, high]


def test_wilson_interval_stays_in_range_at_the_ends():
    assert wilson_interval(0, 10)[0] == 0.0
    assert wilson_interval(10, 10)[1] == pytest.approx(1.0)
    assert wilson_interval(0, 0) == (0.0, 1.0)


def test_success_rate_accumulates_over_updates():
    metric = SuccessRate()
    metric.update(torch.tensor([True] * 30))
    metric.update(torch.tensor([True] * 17 + [False] * 3))
    assert float(metric.compute()) == pytest.approx(0.94)
    assert metric.interval() == wilson_interval(47, 50)


def test_spl_never_rewards_a_path_shorter_than_the_shortest():
    metric = SPL()
    metric.update(torch.tensor([True]), torch.tensor([0.5]), torch.tensor([1.0]))
    assert float(metric.compute()) == 1.0
