import math

import pytest
import torch

from gbplan.objectives import GoalMSE, WeightedGoalLoss


@pytest.mark.parametrize(
    ("weighting", "expected"),
    [("increasing", [1, 2, 4, 8]), ("decreasing", [8, 4, 2, 1]), ("staged", [0, 0, 0, 15])],
)
def test_weights_of_four_steps_base_two(weighting, expected):
    torch.testing.assert_close(WeightedGoalLoss(weighting).weights(4), torch.tensor(expected, dtype=torch.float64) / 15)


def test_cost_is_the_weighted_sum_of_mean_squared_errors():
    predicted = torch.tensor([[[1.0, 1.0], [0.0, 2.0]]])  # mean squares 1 and 2
    cost = WeightedGoalLoss("decreasing")(predicted, torch.zeros(1, 2), torch.zeros(1, 2, 1))
    assert cost.item() == pytest.approx((2 * 1 + 1 * 2) / 3)


def test_staged_is_terminal_until_the_horizon_has_been_executed_and_decreasing_afterwards():
    staged, decreasing = WeightedGoalLoss("staged"), WeightedGoalLoss("decreasing")
    predicted, goal, actions = torch.randn(3, 5, 2), torch.randn(3, 2), torch.zeros(3, 5, 1)
    for step in (0, 4):
        assert torch.equal(staged.at_step(step)(predicted, goal, actions), GoalMSE()(predicted, goal, actions))
    for step in (5, 50):
        assert torch.equal(staged.at_step(step)(predicted, goal, actions), decreasing(predicted, goal, actions))


def test_setting_the_step_leaves_the_original_as_it_was():
    staged = WeightedGoalLoss("staged", base=3.0)
    later = staged.at_step(10)
    assert later.base == 3.0
    assert staged.weights(2).tolist() == [0.0, 1.0]


def test_base_one_weighs_all_steps_alike():
    assert WeightedGoalLoss("increasing", base=1.0).weights(4).tolist() == [0.25] * 4


def test_weights_of_a_long_horizon_do_not_overflow():
    weights = WeightedGoalLoss("increasing").weights(5000)
    assert weights.isfinite().all()
    assert weights.sum().item() == pytest.approx(1)


@pytest.mark.parametrize("base", [0.5, 0.0, math.inf, math.nan])
def test_refuses_a_base_below_one(base):
    with pytest.raises(ValueError, match="base must be at least 1"):
        WeightedGoalLoss(base=base)


def test_refuses_an_unknown_weighting():
    with pytest.raises(ValueError, match=r"one of \['increasing', 'decreasing', 'staged'\], got 'last'"):
        WeightedGoalLoss("last")
