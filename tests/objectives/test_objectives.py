"""What every objective promises."""

import pytest
import torch

from gbplan.objectives import GoalMSE, Objective, ReachGoal, WeightedGoalLoss

OBJECTIVES = [
    GoalMSE(),
    ReachGoal(),
    WeightedGoalLoss("increasing"),
    WeightedGoalLoss("decreasing"),
    WeightedGoalLoss("staged"),
    WeightedGoalLoss("staged").at_step(100),
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


@pytest.mark.parametrize(
    "objective", [o for o in OBJECTIVES if o.reads_last_only], ids=lambda objective: type(objective).__name__
)
def test_what_says_to_read_the_last_prediction_only_reads_no_other(objective, batch):
    predicted, goal, actions = batch
    assert torch.equal(objective(predicted, goal, actions), objective(predicted[:, -1:], goal, actions))


class Restless(ReachGoal):
    """A cost of its own, which also asks for small actions."""

    def __call__(self, predicted, goal, actions):
        return super().__call__(predicted, goal, actions) + actions.square().mean((1, 2))


class Indifferent(Objective):
    """Looks at the actions only."""

    def __call__(self, predicted, goal, actions):
        return actions.square().sum((1, 2))


@pytest.mark.parametrize("objective", [*OBJECTIVES, Restless(), Indifferent()], ids=lambda o: type(o).__name__)
def test_cost_and_gradients_are_those_of_autograd(objective, batch):
    cost, of_predicted, of_actions = objective.with_gradients(*batch)
    predicted, goal, actions = batch[0].clone().requires_grad_(), batch[1], batch[2].clone().requires_grad_()
    expected = objective(predicted, goal, actions)
    gradients = torch.autograd.grad(expected.sum(), (predicted, actions), allow_unused=True, materialize_grads=True)
    torch.testing.assert_close(cost, expected.detach())
    torch.testing.assert_close(of_predicted, gradients[0])
    torch.testing.assert_close(torch.zeros_like(actions) if of_actions is None else of_actions, gradients[1])
    assert not any(tensor.requires_grad for tensor in (cost, of_predicted))
