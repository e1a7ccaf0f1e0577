import pytest
import torch
from planning_problems import LinearDynamics, make_problem

from gbplan.networks import IdentityEncoder, WorldModel
from gbplan.objectives import GoalMSE
from gbplan.planners import CEMPlanner, Knots, White


def linear_problem(**kwargs):
    model = WorldModel(IdentityEncoder(2), LinearDynamics()).double()
    return make_problem(4, model=model, objective=GoalMSE(), **kwargs)


@pytest.mark.parametrize("noise", [White(), Knots(3)], ids=repr)
def test_reaches_the_goal_of_a_linear_problem_to_a_hundredth(noise):
    problem = linear_problem(low=(-2.0, -2.0), high=(2.0, 2.0))
    plan = CEMPlanner(5, iterations=20, num_samples=100, num_elites=10, noise=noise).plan(problem)
    reached = problem.context[:, 0] + plan.actions.sum(1)
    torch.testing.assert_close(reached, problem.goal, rtol=0, atol=0.01)


def test_achieves_nine_tenths_of_what_the_bounds_allow_towards_a_goal_out_of_reach():
    problem = linear_problem(low=(-0.01, -0.01), high=(0.01, 0.01))
    plan = CEMPlanner(3, iterations=20, num_samples=100, num_elites=10).plan(problem)
    gap = problem.goal - problem.context[:, 0]
    before, best = gap.square().mean(1), (gap.abs() - 0.03).square().mean(1)
    assert ((before - plan.cost) > 0.9 * (before - best)).all()


def test_samples_and_model_calls_are_what_was_asked_for():
    class Counting(LinearDynamics):
        rows = 0

        def forward(self, latents, actions):
            latent, action = latents[:, -1], actions[:, -1]
            assert (action.abs() <= 0.3).all()  # nothing is scored that could not be executed
            Counting.rows += len(latent)
            return super().forward(latents, actions)

    model = WorldModel(IdentityEncoder(2), Counting()).double()
    plan = CEMPlanner(4, iterations=3, num_samples=10, num_elites=2).plan(
        make_problem(2, model=model, low=(-0.3, -0.3), high=(0.3, 0.3))
    )
    assert plan.model_calls.tolist() == [3 * 10 * 4] * 2
    assert Counting.rows == 2 * 3 * 10 * 4


def test_first_iteration_scores_the_mean_itself():
    problem = linear_problem()
    init = 0.5 * torch.rand(4, 3, 2, dtype=torch.float64)
    plan = CEMPlanner(3, iterations=1, num_samples=1, num_elites=1).plan(problem, init)
    torch.testing.assert_close(plan.actions, init, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_elites": 301}, "num_elites must not exceed num_samples, got 301 > 300"),
        ({"num_samples": 0}, "num_samples must be at least 1"),
        ({"iterations": 0}, "iterations must be at least 1, got 0"),
        ({"init_std": 0.01}, "min_std must not exceed init_std, got 0.05 > 0.01"),
        ({"min_std": -0.1}, "min_std must be finite and not negative, got -0.1"),
    ],
)
def test_bad_settings_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        CEMPlanner(**arguments)
