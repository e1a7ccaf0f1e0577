import math

import pytest
import torch

from gbplan.objectives import ReachGoal


def cost(path, tau):
    predicted = torch.tensor(path, dtype=torch.float64)[None, :, None]
    return ReachGoal(tau)(predicted, torch.zeros(1, 1, dtype=torch.float64), torch.zeros(1, len(path), 1)).item()


def test_equals_its_formula_on_two_steps():
    assert cost([1.0, 2.0], tau=0.5) == pytest.approx(-0.5 * math.log((math.exp(-2) + math.exp(-8)) / 2))


@pytest.mark.parametrize("tau", [0.01, 0.05, 1.0])
def test_lies_between_the_minimum_and_the_minimum_plus_tau_log_h(tau):
    path = [1.5, 0.3, 0.7, 2.0]
    assert 0.09 - 1e-12 <= cost(path, tau) <= 0.09 + tau * math.log(4) + 1e-12


def test_does_not_care_when_the_goal_is_reached():
    assert cost([0.0, 3.0, 3.0], tau=0.05) == pytest.approx(cost([3.0, 3.0, 0.0], tau=0.05))


def test_prefers_staying_to_passing_by():
    assert cost([1.0, 0.0, 0.0], tau=0.05) < cost([1.0, 0.0, 1.0], tau=0.05)


def test_tends_to_the_mean_for_a_large_temperature():
    assert cost([1.0, 2.0], tau=1e6) == pytest.approx(2.5, rel=1e-4)


@pytest.mark.parametrize("tau", [0.0, -1.0, math.nan, math.inf])
def test_refuses_a_temperature_that_is_not_positive_and_finite(tau):
    with pytest.raises(ValueError, match="tau must be positive"):
        ReachGoal(tau)
