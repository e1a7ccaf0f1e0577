"""Planners that draw samples, on a problem with a closed-form optimum."""

import pytest
import torch
from planning_problems import linear_quadratic

from gbplan.planners import CEMPlanner, GradCEMPlanner, ICEMPlanner, MPPIPlanner, RandomShooting, White

SEARCHES = {
    "CEM": (CEMPlanner(4, 30, 300, 30, min_std=0.0), 0.02),
    "CEM, white": (CEMPlanner(4, 30, 300, 30, White(), init_std=1.0, min_std=0.0), 0.02),
    "iCEM": (ICEMPlanner(4, 30, 300, 30, init_std=1.0, min_std=0.0), 0.02),
    "iCEM, white": (ICEMPlanner(4, 30, 300, 30, init_std=1.0, min_std=0.0, noise=White()), 0.02),
    "MPPI": (MPPIPlanner(4, 30, 300, temperature=0.02, noise_std=0.05), 0.02),
    "MPPI, white": (MPPIPlanner(4, 30, 300, temperature=0.05, noise_std=0.05, noise=White()), 0.02),
    "GradCEM": (GradCEMPlanner(4, 30, 30, 5, lr=0.02, min_std=0.0), 0.02),
    "guessing": (RandomShooting(4, 4000, init_std=0.3), 0.5),  # a floor: searching is what makes the difference
}


@pytest.mark.parametrize(("planner", "tolerance"), SEARCHES.values(), ids=SEARCHES.keys())
def test_cost_comes_close_to_the_closed_form_optimum(planner, tolerance):
    problem = linear_quadratic(low=(-1.0, -1.0), high=(1.0, 1.0))
    optimum = (problem.goal - problem.context[:, 0]).square().sum(1) / 5
    cost = planner.plan(problem).cost
    assert (cost >= optimum - 1e-9).all()
    torch.testing.assert_close(cost, optimum, rtol=tolerance, atol=0)
