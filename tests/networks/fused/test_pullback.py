import pytest
import torch

from gbplan.envs.door_wall.simulator import DoorWallDynamics, PerfectDoorWallModel
from gbplan.networks import IdentityEncoder, MLPPredictor, WorldModel
from gbplan.networks.fused.gradients import goal_features_with_pullback, rollout_with_pullback


class Doubled(MLPPredictor):
    """Its own idea of a step, so nothing that knows only perceptrons may stand in for it."""

    def forward(self, latents, actions):
        return 2 * super().forward(latents, actions)


class OwnModel(WorldModel):
    def rollout(self, context, past_actions, actions):
        return 5 * super().rollout(context, past_actions, actions)


def perceptron(kind=MLPPredictor, model=WorldModel, **changes):
    torch.manual_seed(0)
    made = model(IdentityEncoder(2), kind(2, 2, (16, 16), **changes)).double()
    made.normalizer.set(torch.zeros(2), torch.ones(2), torch.tensor([0.1, -0.2]), torch.tensor([0.5, 2.0]))
    return made


MODELS = {
    "relu": perceptron(),
    "silu": perceptron(activation="silu"),
    "without residual": perceptron(residual=False, activation="tanh"),
    "own step": perceptron(Doubled),
    "two frames": perceptron(history=2),
    "own model": perceptron(model=OwnModel),
    "no perceptron": PerfectDoorWallModel(DoorWallDynamics()).double(),
}


class Squared(IdentityEncoder):
    def goal_features(self, latent):
        return super().goal_features(latent).square()


class Shifted(WorldModel):
    def goal_features(self, latents):
        return super().goal_features(latents + 1).sin()


@pytest.mark.parametrize("model", [WorldModel, Shifted])
@pytest.mark.parametrize("encoder", [IdentityEncoder, Squared])
@pytest.mark.parametrize("indices", [[0, 1, 2], [1, 2], [2], [2, 0], [1, 1]])
def test_goal_features_and_their_pullback_are_those_of_autograd(model, encoder, indices):
    made = model(encoder(3, indices), MLPPredictor(3, 1, ())).double()
    made.normalizer.set(torch.tensor([1.0, 2.0, 3.0]), torch.tensor([0.5, 2.0, 3.0]), torch.zeros(1), torch.ones(1))
    generator = torch.Generator().manual_seed(0)
    latent = torch.randn(4, 5, 3, generator=generator, dtype=torch.float64)
    weight = torch.randn(4, 5, len(indices), generator=generator, dtype=torch.float64)
    achieved, pullback = goal_features_with_pullback(made, latent)
    wanted = latent.clone().requires_grad_()
    expected = made.goal_features(wanted)
    torch.testing.assert_close(achieved, expected.detach())
    torch.testing.assert_close(pullback(weight), *torch.autograd.grad(expected, wanted, weight))


@pytest.mark.parametrize("rows", [1, 3, 700])  # compiled loops, and matrix products
@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS.keys())
def test_rollout_and_pullback_are_those_of_autograd(model, rows):
    generator = torch.Generator().manual_seed(1)
    draw = lambda *shape: torch.randn(*shape, generator=generator, dtype=torch.float64)  # noqa: E731
    history = model.history
    context, actions, weight = draw(rows, history, 2), 0.3 * draw(rows, 6, 2), draw(rows, 6, 2)
    past = actions[:, : history - 1]
    with torch.no_grad():
        latents, pullback = rollout_with_pullback(model, context, past, actions)
        gradient = pullback(weight)
    wanted = actions.clone().requires_grad_()
    expected = model.rollout(context, past, wanted)
    (grad_actions,) = torch.autograd.grad(expected, wanted, weight)
    torch.testing.assert_close(latents, expected.detach())
    torch.testing.assert_close(gradient, grad_actions)
    assert not latents.requires_grad
    assert not gradient.requires_grad
    assert all(parameter.grad is None for parameter in model.parameters())
