import math

import pytest
import torch
from planning_problems import Recording, TrackGoalCheaply, linear_quadratic, make_problem

from gbplan.planners import RandomShooting


def test_returns_the_best_of_its_only_draw():
    record, plain = Recording(TrackGoalCheaply()), linear_quadratic()
    plan = RandomShooting(4, 20).plan(make_problem(4, plain.model, record, (-9.0, -9.0), (9.0, 9.0)))
    (drawn,) = record.asked
    cost = plain.cost(drawn.reshape(4, 20, 4, 2))
    torch.testing.assert_close(plan.cost, cost.min(1).values)
    torch.testing.assert_close(plan.actions, drawn.reshape(4, 20, 4, 2)[torch.arange(4), cost.argmin(1)])
    assert plan.model_calls.tolist() == [20 * 4] * 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_samples": 0}, "num_samples must be at least 1"),
        ({"init_std": math.inf}, "init_std must be finite and not negative"),
    ],
)
def test_bad_settings_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        RandomShooting(**arguments)
