import pytest
import torch
from test_objectives import OBJECTIVES, batch  # noqa: F401  (a fixture)

from gbplan.objectives import GoalMSE, Objective, ReachGoal, Scaled
from gbplan.objectives.gradients import cost_and_gradients, reads_last_only


class Restless(ReachGoal):
    """A cost of its own, which also asks for small actions."""

    def __call__(self, predicted, goal, actions):
        return super().__call__(predicted, goal, actions) + actions.square().mean((1, 2))


class AlsoAlongTheWay(GoalMSE):
    """Costs something at every step."""

    def __call__(self, predicted, goal, actions):
        return super().__call__(predicted, goal, actions) + predicted.square().flatten(1).mean(1)


class Indifferent(Objective):
    """Looks at the actions only."""

    def __call__(self, predicted, goal, actions):
        return actions.square().sum((1, 2))


def innermost(objective):
    return innermost(objective.objective) if type(objective) is Scaled else objective


ALL = [*OBJECTIVES, Restless(), AlsoAlongTheWay(), Indifferent(), Scaled(Scaled(GoalMSE(), [2.0]), [0.5])]


@pytest.mark.parametrize("objective", ALL, ids=lambda o: type(o).__name__)
def test_cost_and_gradients_are_those_of_autograd(objective, batch):  # noqa: F811
    cost, grad_predicted, grad_actions = cost_and_gradients(objective, *batch)
    predicted, goal, actions = batch[0].clone().requires_grad_(), batch[1], batch[2].clone().requires_grad_()
    expected = objective(predicted, goal, actions)
    gradients = torch.autograd.grad(expected.sum(), (predicted, actions), allow_unused=True, materialize_grads=True)
    torch.testing.assert_close(cost, expected.detach())
    torch.testing.assert_close(grad_predicted, gradients[0])
    torch.testing.assert_close(torch.zeros_like(actions) if grad_actions is None else grad_actions, gradients[1])
    assert not any(tensor.requires_grad for tensor in (cost, grad_predicted))


@pytest.mark.parametrize("objective", ALL, ids=lambda o: type(o).__name__)
def test_what_is_known_to_read_the_last_prediction_only_reads_no_other(objective, batch):  # noqa: F811
    predicted, goal, actions = batch
    assert reads_last_only(objective) == (type(innermost(objective)) is GoalMSE)
    if reads_last_only(objective):
        assert torch.equal(objective(predicted, goal, actions), objective(predicted[:, -1:], goal, actions))
