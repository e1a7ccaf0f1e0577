import math

import pytest
import torch
from planning_problems import Recording, TrackGoalCheaply, linear_quadratic, make_problem

from gbplan.planners import GradCEMPlanner, Knots


def recorded(planner, low=(-1.0, -1.0), high=(1.0, 1.0)):
    record = Recording(TrackGoalCheaply())
    plain = linear_quadratic(low, high)
    return record, planner.plan(make_problem(4, plain.model, record, low, high)), plain


def test_a_single_step_moves_every_action_downhill_by_the_learning_rate():
    planner = GradCEMPlanner(3, iterations=1, num_samples=5, num_elites=2, lr=0.1, init_std=0.3, noise=Knots(2))
    record, _, plain = recorded(planner, low=(-2.0, -3.0), high=(2.0, 1.0))
    before, after = record.asked
    x = before.reshape(4, 5, 3, 2).requires_grad_()
    (gradient,) = torch.autograd.grad(plain.cost(x).sum(), x)
    moved = (x - 0.1 * 2.0 * gradient.sign()).clamp(plain.low, plain.high)  # the half range is 2
    torch.testing.assert_close(after.reshape(4, 5, 3, 2), moved.detach(), rtol=0, atol=1e-5)  # its epsilon


def test_elites_are_those_that_descended():
    planner = GradCEMPlanner(3, iterations=2, num_samples=5, num_elites=2, lr=0.1, noise=Knots(2))
    record, _, plain = recorded(planner)
    after, second = (record.asked[i].reshape(4, 5, 3, 2) for i in (1, 2))
    index = plain.cost(after).topk(2, largest=False).indices[..., None, None].expand(-1, -1, 3, 2)
    torch.testing.assert_close(second[:, 0], after.gather(1, index).mean(1))


def test_model_calls_count_passes_both_ways_and_the_last_score():
    record, plan, _ = recorded(GradCEMPlanner(4, 3, 10, 2, gradient_steps=2))
    forward, backward = 3 * 10 * 3 * 4, 3 * 10 * 2 * 4
    assert plan.model_calls.tolist() == [forward + backward] * 4
    assert sum(len(asked) for asked in record.asked) == 4 * forward // 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_elites": 301}, "num_elites must not exceed num_samples, got 301 > 300"),
        ({"gradient_steps": 0}, "gradient_steps must be at least 1"),
        ({"lr": 0.0}, "lr must be positive and finite"),
        ({"action_noise": -1.0}, "action_noise must be finite and not negative"),
        ({"min_std": math.nan}, "min_std must be finite and not negative, got nan"),
    ],
)
def test_bad_settings_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        GradCEMPlanner(**arguments)
