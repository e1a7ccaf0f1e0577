import pytest
import torch

from gbplan.objectives import GoalMSE
from tests.planners.planning_problems import make_problem


class AlsoAlongTheWay(GoalMSE):
    """Inherits what GoalMSE knows of itself, but costs something at every step."""

    def __call__(self, predicted, goal, actions):
        return super().__call__(predicted, goal, actions) + predicted.square().flatten(1).mean(1)


def draw_actions(problem, samples=3, horizon=6):
    generator = torch.Generator().manual_seed(1)
    actions = torch.randn(problem.batch_size, samples, horizon, 2, generator=generator, dtype=torch.float64)
    return problem.clip(actions)


@pytest.mark.parametrize("objective", [GoalMSE(), AlsoAlongTheWay()], ids=lambda o: type(o).__name__)
def test_costs_and_gradients_are_those_of_autograd_through_the_whole_rollout(objective):
    problem = make_problem(objective=objective)
    actions = draw_actions(problem).requires_grad_()
    achieved = problem.rollout(actions).flatten(0, 1)
    expected = objective(achieved, problem.goal.repeat_interleave(3, 0), actions.flatten(0, 1)).reshape(-1, 3)
    (gradient,) = torch.autograd.grad(expected.sum(), actions)

    cost, found = problem.cost_and_gradient(actions.detach())
    for given in (cost, problem.cost(actions.detach())):
        torch.testing.assert_close(given, expected.detach(), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(found, gradient, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("objective", "steps"), [(GoalMSE(), 1), (AlsoAlongTheWay(), 6)], ids=["last", "all"])
def test_no_prediction_is_decoded_that_the_objective_does_not_read(objective, steps, monkeypatch):
    problem, decoded = make_problem(objective=objective), []
    encoder = problem.model.encoder
    features = encoder.goal_features
    monkeypatch.setattr(encoder, "goal_features", lambda latent: decoded.append(latent.shape[1]) or features(latent))
    actions = draw_actions(problem, horizon=6)
    problem.cost(actions)
    problem.cost_and_latents(actions)
    assert decoded == [steps, steps]


@pytest.mark.parametrize("shape", [(5, 2), (3, 5, 2), (3, 4, 1, 2)], ids=str)
def test_clip_bounds_each_dimension_by_its_own(shape):
    problem = make_problem(low=(-1.0, -0.5), high=(0.5, 2.0))
    for given, expected in [(-9.0, [-1.0, -0.5]), (0.25, [0.25, 0.25]), (9.0, [0.5, 2.0])]:
        clipped = problem.clip(torch.full(shape, given, dtype=torch.float64))
        assert torch.equal(clipped, torch.tensor(expected, dtype=torch.float64).expand(shape))
