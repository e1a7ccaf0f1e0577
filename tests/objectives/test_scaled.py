import math
from dataclasses import replace

import pytest
import torch
from torch.testing import assert_close

from gbplan.objectives import GoalMSE, ReachGoal, Scaled, WeightedGoalLoss
from gbplan.objectives.gradients import cost_and_gradients


def draw(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(len(shape)), dtype=torch.float64)


def test_a_difference_counts_in_units_of_its_scale():
    predicted, goal = torch.tensor([[[20.0, 0.2]]]), torch.zeros(1, 2)
    assert_close(Scaled(GoalMSE(), [10.0, 0.1])(predicted, goal, torch.zeros(1, 1, 1)), torch.tensor([4.0]))


def test_an_infinite_scale_leaves_a_dimension_out():
    predicted, goal, actions = draw(4, 6, 2), draw(4, 2), draw(4, 6, 1)
    alone = ReachGoal(1.0)(predicted[..., :1], goal[..., :1], actions)
    assert_close(Scaled(ReachGoal(1.0), [1.0, math.inf])(predicted, goal, actions), alone)


def test_gradients_are_those_of_autograd_with_a_scale_for_each_dimension():
    predicted, goal, actions = draw(4, 6, 3).requires_grad_(), draw(4, 3), draw(4, 6, 1)
    objective = Scaled(ReachGoal(0.3), [0.5, 2.0, 10.0])
    cost = objective(predicted, goal, actions)
    (expected,) = torch.autograd.grad(cost.sum(), predicted)
    found, gradient, _ = cost_and_gradients(objective, predicted.detach(), goal, actions)
    assert_close(found, cost.detach())
    assert_close(gradient, expected)


def test_goals_of_another_size_are_refused():
    with pytest.raises(ValueError, match=r"scale has 2 numbers, but the model's goals have shape \(3,\)"):
        Scaled(GoalMSE(), [1.0, 1.0])(draw(4, 6, 3), draw(4, 3), draw(4, 6, 1))


@pytest.mark.parametrize("scale", [[], [0.0], [-1.0], [1.0, math.nan], "date"])
def test_a_scale_that_is_none_is_refused(scale):
    with pytest.raises(ValueError, match="scale must be one or more numbers above 0, or data"):
        Scaled(GoalMSE(), scale)


def test_the_scale_of_the_data_is_its_standard_deviations():
    objective, goal = Scaled(ReachGoal(0.3), "data"), draw(4, 3)
    with pytest.raises(ValueError, match=r"scale must be numbers .*, got 'data'; .* call of_data\(model\.goal_dev"):
        objective(draw(4, 6, 3), goal, draw(4, 6, 1))
    assert objective.of_data(torch.tensor([0.5, 2.0, 10.0])) == Scaled(ReachGoal(0.3), [0.5, 2.0, 10.0])
    # Two tokens of two channels: 3 and 4, 1 and 7.
    assert objective.of_data(torch.tensor([[3.0, 1.0], [4.0, 7.0]])).scale == pytest.approx((12.5**0.5, 5.0))


@pytest.mark.parametrize("nested", [Scaled(GoalMSE(), [2.0]), Scaled(Scaled(GoalMSE(), [2.0]), [4.0])])
def test_numbers_given_as_scale_stay(nested):
    assert nested.of_data(torch.tensor([5.0])) is nested


@pytest.mark.parametrize(
    "nested",
    [
        Scaled(Scaled(GoalMSE(), "data"), [10.0, math.inf]),
        Scaled(Scaled(GoalMSE(), [10.0, math.inf]), "data"),
        Scaled(Scaled(Scaled(GoalMSE(), "data"), [5.0, 5.0]), [2.0, math.inf]),
    ],
)
def test_a_scale_of_the_data_inside_another_is_found_and_scales_multiply(nested):
    assert nested.needs_data
    known = nested.of_data(torch.tensor([0.5, 3.0]))
    assert not known.needs_data
    predicted, goal, actions = torch.tensor([[[20.0, 7.0]]]), torch.zeros(1, 2), torch.zeros(1, 1, 1)
    assert known(predicted, goal, actions).item() == pytest.approx(8)  # (20 / (10 * 0.5))^2 and nothing, in the mean


def test_the_scale_of_the_data_stays_so_in_the_course_of_an_episode():
    assert Scaled(WeightedGoalLoss("staged"), "data").at_step(3).scale == "data"


def test_two_of_the_same_are_equal():
    assert replace(Scaled(GoalMSE(), [1, 2])) == Scaled(GoalMSE(), (1.0, 2.0))
