import pytest
import torch

from gbplan.envs.door_wall.simulator import DoorWallDynamics, PerfectDoorWallModel
from gbplan.networks import IdentityEncoder, MLPPredictor, WorldModel


class Doubled(MLPPredictor):
    """Its own idea of a step, so nothing that knows only perceptrons may stand in for it."""

    def forward(self, latent, action):
        return 2 * super().forward(latent, action)


class OwnRollout(MLPPredictor):
    def rollout(self, latent, actions, action_mean, action_std):
        return 3 * super().rollout(latent, actions, action_mean, action_std)


class OwnModel(WorldModel):
    def rollout(self, context, past_actions, actions):
        return 5 * super().rollout(context, past_actions, actions)


def perceptron(kind=MLPPredictor, model=WorldModel, **changes):
    torch.manual_seed(0)
    made = model(IdentityEncoder(2), kind(2, 2, (16, 16), **changes)).double()
    made.set_statistics(torch.zeros(2), torch.ones(2), torch.tensor([0.1, -0.2]), torch.tensor([0.5, 2.0]))
    return made


MODELS = {
    "relu": perceptron(),
    "silu": perceptron(activation="silu"),
    "without residual": perceptron(residual=False, activation="tanh"),
    "own step": perceptron(Doubled),
    "own rollout": perceptron(OwnRollout),
    "own model": perceptron(model=OwnModel),
    "no perceptron": PerfectDoorWallModel(DoorWallDynamics()).double(),
}


class Squared(IdentityEncoder):
    def achieved_goal(self, latent):
        return super().achieved_goal(latent).square()


class Shifted(WorldModel):
    def achieved_goal(self, latent):
        return super().achieved_goal(latent + 1).sin()


@pytest.mark.parametrize("model", [WorldModel, Shifted])
@pytest.mark.parametrize("encoder", [IdentityEncoder, Squared])
@pytest.mark.parametrize("indices", [[0, 1, 2], [1, 2], [2], [2, 0], [1, 1]])
def test_achieved_goal_and_its_pullback_are_those_of_autograd(model, encoder, indices):
    made = model(encoder(3, indices), MLPPredictor(3, 1, ())).double()
    made.set_statistics(torch.tensor([1.0, 2.0, 3.0]), torch.tensor([0.5, 2.0, 3.0]), torch.zeros(1), torch.ones(1))
    generator = torch.Generator().manual_seed(0)
    latent = torch.randn(4, 5, 3, generator=generator, dtype=torch.float64)
    weight = torch.randn(4, 5, len(indices), generator=generator, dtype=torch.float64)
    achieved, pullback = made.achieved_goal_with_pullback(latent)
    wanted = latent.clone().requires_grad_()
    expected = made.achieved_goal(wanted)
    torch.testing.assert_close(achieved, expected.detach())
    torch.testing.assert_close(pullback(weight), *torch.autograd.grad(expected, wanted, weight))


@pytest.mark.parametrize("rows", [1, 3, 700])  # compiled loops, and matrix products
@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS.keys())
def test_rollout_and_pullback_are_those_of_autograd(model, rows):
    generator = torch.Generator().manual_seed(1)
    draw = lambda *shape: torch.randn(*shape, generator=generator, dtype=torch.float64)  # noqa: E731
    context, actions, weight = draw(rows, 1, 2), 0.3 * draw(rows, 6, 2), draw(rows, 6, 2)
    past = actions[:, :0]
    with torch.no_grad():
        latents, pullback = model.rollout_with_pullback(context, past, actions)
        gradient = pullback(weight)
    wanted = actions.clone().requires_grad_()
    expected = model.rollout(context, past, wanted)
    (of_actions,) = torch.autograd.grad(expected, wanted, weight)
    torch.testing.assert_close(latents, expected.detach())
    torch.testing.assert_close(gradient, of_actions)
    assert not latents.requires_grad
    assert not gradient.requires_grad
    assert all(parameter.grad is None for parameter in model.parameters())
