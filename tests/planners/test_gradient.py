import math
from functools import partial

import pytest
import torch
from planning_problems import LinearDynamics, linear_quadratic, make_problem

from gbplan.networks import IdentityEncoder, WorldModel
from gbplan.objectives import Objective
from gbplan.planners import GradientPlanner


@pytest.mark.parametrize("bounds", ["clip", "tanh"])
@pytest.mark.parametrize(("optimizer", "lr"), [("gd", 2e-3), ("momentum", 2e-4), ("adam", 0.01), ("adamw", 0.01)])
def test_finds_the_closed_form_optimum_of_a_linear_quadratic_problem(optimizer, lr, bounds):
    problem = linear_quadratic()
    planner = GradientPlanner(
        horizon=4,
        iterations=250,
        lr=lr,
        optimizer=optimizer,
        bounds=bounds,
        num_samples=4,
        restarts=2,
        init_std=0.2,
        weight_decay=0.0,
    )
    plan = planner.plan(problem)
    gap = problem.goal - problem.context[:, 0]
    torch.testing.assert_close(plan.cost, gap.square().sum(1) / 5, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(plan.actions, (gap / 5)[:, None].expand(-1, 4, -1), rtol=0, atol=2e-2)


def test_finds_the_optimum_on_the_bounds():
    problem = linear_quadratic(low=(-0.01, -0.01), high=(0.01, 0.01))  # far less than any gap over five
    plan = GradientPlanner(horizon=4, iterations=50).plan(problem)
    gap = problem.goal - problem.context[:, 0]
    torch.testing.assert_close(plan.actions, 0.01 * gap.sign()[:, None].expand(-1, 4, -1))


def test_plain_descent_follows_the_update_rule():
    problem = linear_quadratic(low=(-1.0, -2.0), high=(3.0, 2.0))
    start = torch.full((4, 3, 2), 0.5, dtype=torch.float64)
    planner = GradientPlanner(3, iterations=1, lr=0.01, optimizer="gd", num_samples=1, restarts=1)
    gap = problem.goal - problem.context[:, 0]
    gradient = 2 * (start.sum(1) - gap)[:, None] + 2 * start
    # the variable is (a - center) / half range with half range 2: its gradient is doubled, and so is its effect
    expected = (start - 0.01 * 4 * gradient).clamp(problem.low, problem.high)
    descended = problem.cost(expected[:, None])[:, 0] < problem.cost(start[:, None])[:, 0]
    assert descended.all()
    torch.testing.assert_close(planner.plan(problem, start).actions, expected)


TORCH = {
    "gd": torch.optim.SGD,
    "momentum": partial(torch.optim.SGD, momentum=0.9),
    "adam": torch.optim.Adam,
    "adamw": partial(torch.optim.AdamW, weight_decay=0.1),
}


@pytest.mark.parametrize(("optimizer", "lr"), [("gd", 3e-4), ("momentum", 1e-4), ("adam", 3e-3), ("adamw", 3e-3)])
def test_optimisers_follow_those_of_torch(optimizer, lr):
    problem = linear_quadratic()
    start = torch.full((4, 3, 2), 0.5, dtype=torch.float64)
    x = (start / 9).requires_grad_()
    rule = TORCH[optimizer]([x], lr=lr)
    for _ in range(5):
        (x.grad,) = torch.autograd.grad(problem.cost(9 * x[:, None]).sum(), x)
        rule.step()
    plan = GradientPlanner(
        3, iterations=5, lr=lr, optimizer=optimizer, weight_decay=0.1, num_samples=1, restarts=1
    ).plan(problem, start)
    assert (plan.trace.diff(dim=0) < 0).all()  # each iterate is the best so far, so the last one is returned
    torch.testing.assert_close(plan.actions, 9 * x.detach())


class PreferMiddle(Objective):
    """The squared distance from actions (1, 3), without a gradient."""

    def __call__(self, predicted, goal, actions):
        gap = (actions - torch.tensor([1.0, 3.0])).detach().square().sum((1, 2))
        return gap + 0 * actions.sum((1, 2))


def test_weight_decay_pulls_towards_the_middle_of_the_box():
    problem = make_problem(2, objective=PreferMiddle(), low=(-1.0, 2.0), high=(3.0, 4.0))
    start = torch.tensor([2.0, 3.5], dtype=torch.float64).expand(2, 3, 2)
    decayed = GradientPlanner(
        3, iterations=4, lr=0.5, optimizer="adamw", weight_decay=0.2, num_samples=1, restarts=1
    ).plan(problem, start)
    middle = torch.tensor([1.0, 3.0], dtype=torch.float64)
    torch.testing.assert_close(decayed.actions, middle + (1 - 0.5 * 0.2) ** 4 * (start - middle))


def test_a_single_candidate_without_spread_starts_in_the_middle_of_the_box():
    problem = linear_quadratic(low=(-1.0, 2.0), high=(3.0, 4.0))
    planner = GradientPlanner(3, iterations=1, lr=1e-12, num_samples=1, restarts=1, init_std=0.0)
    middle = torch.tensor([1.0, 3.0], dtype=torch.float64).expand(4, 3, 2)
    torch.testing.assert_close(planner.plan(problem).actions, middle)


def test_more_candidates_give_a_better_start():
    problem = linear_quadratic()
    few, many = (GradientPlanner(4, 1, lr=1e-9, num_samples=n, restarts=1).plan(problem).cost for n in (1, 200))
    assert (many <= few).all()
    assert many.mean() < 0.5 * few.mean()


class Quartic(Objective):
    """Flat near its minimum, so that descent slows down."""

    def __call__(self, predicted, goal, actions):
        return (predicted[:, -1] - goal).square().sum(1).square()


def test_a_task_that_stalls_stops_and_costs_less():
    model = WorldModel(IdentityEncoder(2), LinearDynamics()).double()
    problem = make_problem(4, model=model, objective=Quartic(), low=(-3.0, -3.0), high=(3.0, 3.0))
    problem.goal[0] = problem.context[0, 0]  # zero actions solve it
    impatient = GradientPlanner(
        4, iterations=100, lr=0.01, num_samples=1, restarts=1, init_std=0.0, patience=5, tolerance=1e-3
    )
    plan = impatient.plan(problem)
    rollout = 4
    assert plan.model_calls[0] == rollout + 6 * 2 * rollout  # candidates, then iterations 0..5
    assert (plan.model_calls[1:] > plan.model_calls[0]).all()
    assert plan.trace.shape == (100, 4)
    assert (plan.cost < 0.05).all()


def test_model_calls_count_candidates_and_passes_both_ways():
    class Counting(LinearDynamics):
        rows = 0

        def forward(self, latents, actions):
            Counting.rows += len(latents)
            return super().forward(latents, actions)

    model = WorldModel(IdentityEncoder(2), Counting()).double()
    plan = GradientPlanner(4, iterations=7, num_samples=5, restarts=3).plan(make_problem(2, model=model))
    forward, backward = 5 * 4 + 3 * 8 * 4, 3 * 7 * 4
    assert plan.model_calls.tolist() == [forward + backward] * 2
    assert Counting.rows == 2 * forward


def test_a_gradient_that_is_not_finite_moves_nothing():
    class RootOfActions(Objective):
        def __call__(self, predicted, goal, actions):
            return actions.abs().sum((1, 2)).sqrt()  # infinite slope at zero

    plan = GradientPlanner(3, iterations=3, num_samples=1, restarts=1, init_std=0.0).plan(
        make_problem(2, objective=RootOfActions(), low=(-1.0, -1.0), high=(1.0, 1.0))
    )
    assert (plan.cost == 0).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"restarts": 257}, "restarts must not exceed num_samples, got 257 > 256"),
        ({"iterations": 0}, "iterations must be at least 1"),
        ({"lr": 0.0}, "lr must be positive"),
        ({"lr": math.nan}, "lr must be positive"),
        ({"init_std": -1.0}, "init_std must be finite and not negative, got -1"),
        ({"action_noise": math.inf}, "action_noise must be finite"),
        ({"weight_decay": -0.1}, "weight_decay must be finite and not negative"),
        ({"optimizer": "sgd"}, r"optimizer must be one of \['gd', .*\], got 'sgd'"),
        ({"bounds": "none"}, "bounds must be one of"),
        ({"patience": 0}, "patience must be at least 1"),
    ],
)
def test_bad_settings_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        GradientPlanner(**arguments)
