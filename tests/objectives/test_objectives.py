"""Promises of every objective."""

from dataclasses import replace

import pytest
import torch

from gbplan.objectives import GoalMSE, Objective, ReachGoal, Scaled, WeightedGoalLoss
from gbplan.objectives.staged import at_step

OBJECTIVES = [
    GoalMSE(),
    ReachGoal(),
    WeightedGoalLoss("increasing"),
    WeightedGoalLoss("decreasing"),
    WeightedGoalLoss("staged"),
    WeightedGoalLoss("staged").at_step(100),
    Scaled(ReachGoal(), [0.5]),
    Scaled(WeightedGoalLoss("staged"), [2.0]),
]
B, H, A = 3, 6, 2


def test_every_objective_is_under_contract():
    ours = {objective for objective in Objective.__subclasses__() if objective.__module__.startswith("gbplan.")}
    assert ours == {type(objective) for objective in OBJECTIVES}


@pytest.fixture(params=OBJECTIVES, ids=lambda o: type(o).__name__)
def objective(request):
    return request.param


@pytest.fixture(params=[(2,), (4, 3), "transposed"], ids=["vector goal", "patch goal", "transposed patch goal"])
def batch(request):
    generator = torch.Generator().manual_seed(0)
    draw = lambda *shape: torch.randn(*shape, generator=generator, dtype=torch.float64)  # noqa: E731
    if request.param == "transposed":  # not contiguous in memory
        return draw(B, H, 4, 3).transpose(2, 3), draw(B, 3, 4), draw(B, H, A)
    return draw(B, H, *request.param), draw(B, *request.param), draw(B, H, A)


def test_holding_the_goal_costs_nothing_and_anything_else_costs_something(objective, batch):
    predicted, goal, actions = batch
    held = goal[:, None].expand_as(predicted)
    torch.testing.assert_close(objective(held, goal, actions), torch.zeros(B, dtype=torch.float64))
    assert (objective(predicted, goal, actions) > 0).all()


def test_rows_are_independent(objective, batch):
    together = objective(*batch)
    alone = torch.cat([objective(*(t[i : i + 1] for t in batch)) for i in range(B)])
    torch.testing.assert_close(together, alone, rtol=0, atol=0)


def test_gradient_agrees_with_finite_differences(objective, batch):
    predicted, goal, actions = batch
    assert torch.autograd.gradcheck(lambda p: objective(p, goal, actions), predicted.requires_grad_())


def test_stays_finite_far_from_the_goal_in_single_precision(objective, batch):
    predicted, goal, actions = (t.float() for t in batch)
    far = (1e4 + predicted).requires_grad_()
    cost = objective(far, goal, actions)
    assert cost.isfinite().all()
    assert torch.autograd.grad(cost.sum(), far)[0].isfinite().all()


def test_objectives_are_records_that_compare(objective):
    assert replace(objective) == objective
    assert hash(replace(objective)) == hash(objective)


def test_the_step_of_the_episode_matters_to_staged_objectives_only(objective):
    later = at_step(objective, 7)
    inner = getattr(objective, "objective", objective)
    told = replace(inner, step=7) if isinstance(inner, WeightedGoalLoss) else inner
    assert later == (replace(objective, objective=told) if isinstance(objective, Scaled) else told)
