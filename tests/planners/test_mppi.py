import math
from contextlib import suppress

import pytest
import torch
from planning_problems import Recording, TrackGoalCheaply, linear_quadratic, make_problem

from gbplan.planners import Knots, MPPIPlanner


def means_of(temperature, problem, init, noise_std=0.1):
    """The first iteration's samples ``(B, S, H, A)`` and costs, and the mean that the second one begins with."""
    record = Recording(problem.objective)
    batch, horizon, dim = init.shape
    planner = MPPIPlanner(horizon, 2, 7, temperature=temperature, noise_std=noise_std, noise=Knots(2))
    with suppress(ValueError):  # no plan for some row
        planner.plan(make_problem(batch, problem.model, record, tuple(problem.low), tuple(problem.high)), init)
    samples, second = (asked.reshape(batch, 7, horizon, dim) for asked in record.asked)
    return samples, problem.cost(samples), second[:, 0]


@pytest.fixture
def problem():
    return linear_quadratic(low=(-1.0, -1.0), high=(1.0, 1.0))


@pytest.fixture
def init():
    return torch.rand(4, 3, 2, generator=torch.Generator().manual_seed(3), dtype=torch.float64)


def test_mean_moves_to_the_average_weighted_by_the_boltzmann_factor(problem, init):
    samples, cost, mean = means_of(0.3, problem, init)
    weight = torch.exp(-cost / 0.3) / torch.exp(-cost / 0.3).sum(1, keepdim=True)
    torch.testing.assert_close(samples[:, 0], init)
    torch.testing.assert_close(mean, (weight[..., None, None] * samples).sum(1))


def test_a_hot_mean_is_the_average_and_a_cold_one_the_best_sample(problem, init):
    samples, _, hot = means_of(1e9, problem, init)
    torch.testing.assert_close(hot, samples.mean(1))
    samples, cost, cold = means_of(1e-9, problem, init)
    torch.testing.assert_close(cold, samples[torch.arange(4), cost.argmin(1)])


class OnlyRowsWithoutHope(TrackGoalCheaply):
    def __call__(self, predicted, goal, actions):
        return super().__call__(predicted, goal, actions) + torch.where(actions[:, 0, 0] > 0.9, math.nan, 0.0)


def test_mean_stays_where_it_is_when_no_sample_has_a_finite_cost(problem, init):
    init[1] = 1.0
    hopeless = make_problem(4, problem.model, OnlyRowsWithoutHope(), (-1.0, -1.0), (1.0, 1.0))
    _, cost, mean = means_of(0.3, hopeless, init, noise_std=1e-3)
    assert cost[1].isnan().all()
    torch.testing.assert_close(mean[1], init[1])
    assert mean.isfinite().all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_samples": 0}, "num_samples must be at least 1"),
        ({"temperature": 0.0}, "temperature must be positive and finite, got 0"),
        ({"noise_std": math.nan}, "noise_std must be positive and finite"),
    ],
)
def test_bad_settings_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        MPPIPlanner(**arguments)
