import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gbplan.networks import ConvEncoder, IdentityEncoder, MLPPredictor, Predictor, WorldModel


def make_model(latent=3, action=2, hidden=(8,), **kwargs):
    torch.manual_seed(0)
    model = WorldModel(IdentityEncoder(latent, goal_indices=[0, 2]), MLPPredictor(latent, action, hidden, **kwargs))
    model.normalizer.set(
        torch.arange(latent) * 1.0, torch.arange(latent) + 1.0, torch.ones(action), 2 * torch.ones(action)
    )
    return model.double()


def test_step_of_a_linear_model_matches_hand_computation():
    model = WorldModel(IdentityEncoder(1, goal_indices=[0]), MLPPredictor(1, 1, hidden_sizes=()))
    model.normalizer.set(torch.tensor([1.0]), torch.tensor([2.0]), torch.tensor([0.5]), torch.tensor([0.25]))
    with torch.no_grad():
        model.predictor.net[0].weight.copy_(torch.tensor([[3.0, 5.0]]))
        model.predictor.net[0].bias.copy_(torch.tensor([7.0]))
    latent = model.encode({"observation": torch.tensor([[5.0]])})  # (5 - 1) / 2 = 2
    predicted = model.step(latent[:, None], torch.tensor([[[1.0]]]))  # (1 - 0.5) / 0.25 = 2; 2 + 3 * 2 + 5 * 2 + 7
    assert predicted.tolist() == [[25.0]]
    assert model.goal_features(predicted).tolist() == [[51.0]]  # 25 * 2 + 1


@pytest.mark.parametrize("residual", [True, False])
@pytest.mark.parametrize("activation", ["relu", "silu", "gelu", "tanh"])
def test_rollout_equals_repeated_steps(residual, activation):
    model = make_model(residual=residual, activation=activation)
    context, actions = torch.randn(4, 1, 3).double(), torch.randn(4, 6, 2).double()
    rollout = model.rollout(context, actions[:, :0], actions)
    latent = context[:, 0]
    for h in range(6):
        latent = model.step(latent[:, None], actions[:, h : h + 1])
        torch.testing.assert_close(rollout[:, h], latent)


@settings(max_examples=25, deadline=None)
@given(batch=st.integers(1, 4), horizon=st.integers(1, 5), latent=st.integers(3, 5), action=st.integers(1, 3))
def test_rollout_is_differentiable_in_the_actions(batch, horizon, latent, action):
    model = make_model(latent, action, activation="tanh")
    context = torch.randn(batch, 1, latent).double()
    actions = torch.randn(batch, horizon, action).double().requires_grad_()
    assert torch.autograd.gradcheck(lambda a: model.rollout(context, a[:, :0], a), actions)


def test_encoding_standardises_and_goal_features_undo_it():
    model = make_model()
    state = torch.randn(5, 2, 3).double()
    latent = model.encode({"observation": state})
    torch.testing.assert_close(latent, (state - torch.arange(3)) / (torch.arange(3) + 1.0))
    torch.testing.assert_close(model.goal_features(latent), state[..., [0, 2]])


def test_the_normalizer_travels_with_the_state_dict():
    model, other = make_model(), WorldModel(IdentityEncoder(3, [0, 2]), MLPPredictor(3, 2, (8,))).double()
    assert not other.normalizer.fitted
    other.load_state_dict(model.state_dict())
    assert other.normalizer.fitted
    torch.testing.assert_close(other.normalizer.latent_std, model.normalizer.latent_std)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: IdentityEncoder(0), "dim must be at least 1, got 0"),
        (lambda: IdentityEncoder(2, goal_indices=[2]), r"goal_indices must lie in 0\.\.1"),
        (lambda: MLPPredictor(2, 0), "at least 1"),
        (lambda: MLPPredictor(2, 2, activation="sin"), "activation must be one of"),
        (lambda: WorldModel(IdentityEncoder(3), MLPPredictor(2, 2)), "must agree on the latent shape"),
        (
            lambda: make_model().normalizer.set(torch.zeros(2), torch.ones(3), torch.zeros(2), torch.ones(2)),
            r"latent_mean must have shape \(3,\), got \(2,\)",
        ),
        (
            lambda: make_model().normalizer.set(torch.zeros(3), torch.zeros(3), torch.zeros(2), torch.ones(2)),
            "latent_std must be finite, and positive",
        ),
    ],
)
def test_bad_sizes_and_statistics_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_goal_deviations_are_those_of_the_latent_s_numbers_that_are_the_goal():
    assert make_model(latent=4).goal_deviations().tolist() == [1.0, 3.0]  # of 1, 2, 3, 4


def test_goal_deviations_of_tokens_are_their_channels():
    model = WorldModel(ConvEncoder(2, 8, width=2, tokens=True), MLPPredictor((16, 2), 1), normalize="channel")
    model.normalizer.set(torch.zeros(2), torch.tensor([2.0, 5.0]), torch.zeros(1), torch.ones(1))
    assert torch.equal(model.goal_deviations(), torch.tensor([2.0, 5.0]).expand(16, 2))


def test_goal_deviations_that_are_not_known_are_refused():
    model = WorldModel(IdentityEncoder(2), MLPPredictor(2, 1, (8,)))
    with pytest.raises(ValueError, match="has seen no data"):
        model.goal_deviations()
    model.normalizer.fitted.fill_(True)
    model.encoder.goal_features = torch.zeros_like
    with pytest.raises(ValueError, match=r"do not tell their deviations, got \[0.0, 0.0\]; give the objective a scale"):
        model.goal_deviations()


class Misshapen(Predictor):
    """Returns a frame too many, as a network of sequences would."""

    latent_shape, action_dim = (2,), 1

    def forward(self, latents, actions):
        return latents


@pytest.mark.parametrize("use", ["sequence", "rollout"])
def test_a_prediction_that_a_loss_would_broadcast_is_refused(use):
    frames, actions = torch.zeros(3, 1, 2), torch.zeros(3, 1, 1)
    message = r"Misshapen\.forward must return the next latents, \(B, \*D\) = \(3, 2\), got \(3, 1, 2\); it receives K"
    inputs = (frames, actions) if use == "sequence" else (frames, actions[:, :0], actions)
    with pytest.raises(ValueError, match=message):
        getattr(Misshapen(), use)(*inputs)


def test_a_predictor_that_does_not_say_its_shape_is_refused():
    class Silent(Predictor):
        forward = Misshapen.forward

    with pytest.raises(TypeError, match="Silent has no latent_shape; set it in its class or its __init__"):
        WorldModel(IdentityEncoder(2), Silent())
