"""Promises of every predictor, for all latents, histories and actions."""

import pytest
import torch

from gbplan.networks import Encoder, IdentityEncoder, MLPPredictor, ViTPredictor, WorldModel
from gbplan.networks.predictor import Predictor


class Grid(Encoder):
    """Latents of two axes made of a vector, as patches are."""

    def __init__(self, shape):
        super().__init__()
        self.latent_shape = shape

    def encode(self, observations):
        return observations["observation"].unflatten(-1, self.latent_shape)

    def encode_goal(self, observations):
        return observations["desired_goal"]

    def goal_features(self, latent):
        return latent.flatten(-2)[..., :2]


def predictors():
    for shape in ((4,), (2, 2)):
        for history in (1, 2, 3):
            yield MLPPredictor(shape, 3, (16,), activation="tanh", history=history)
            for conditioning, attention in (("token", "window"), ("adaln", "window"), ("adaln", "sliding")):
                yield ViTPredictor(
                    shape,
                    3,
                    history,
                    width=8,
                    heads=2,
                    mlp_size=16,
                    conditioning=conditioning,
                    attention=attention,
                )


def named(predictor):
    how = f"-{predictor.conditioning}-{predictor.attention}" if isinstance(predictor, ViTPredictor) else ""
    return f"{type(predictor).__name__}{how}-{predictor.latent_shape}-{predictor.history}"


@pytest.fixture(params=list(predictors()), ids=named)
def model(request):
    predictor: Predictor = request.param
    generator = torch.Generator().manual_seed(0)
    for parameter in predictor.parameters():  # AdaLN begins at zero, where actions do not matter
        parameter.data = 0.3 * torch.randn(parameter.shape, generator=generator)
    encoder = IdentityEncoder(4) if predictor.latent_shape == (4,) else Grid(predictor.latent_shape)
    model = WorldModel(encoder, predictor, normalize="dimension").double()
    mean = torch.arange(4.0).reshape(predictor.latent_shape)
    model.normalizer.set(mean, 1 + mean, torch.tensor([0.1, 0.2, 0.3]), torch.tensor([0.5, 1.0, 2.0]))
    return model


def draw(model, rows, horizon):
    generator = torch.Generator().manual_seed(1)
    shapes = (rows, model.history, *model.latent_shape), (rows, model.history - 1, 3), (rows, horizon, 3)
    return [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes]


def looks_back_through_its_layers(model):
    """Whether more than K frames can matter to a prediction, where there are more."""
    return getattr(model.predictor, "attention", "window") == "sliding" and model.history > 1


def test_rollout_equals_repeated_steps(model):
    context, past, actions = draw(model, 2, 4)
    rollout = model.rollout(context, past, actions)
    torch.testing.assert_close(rollout[:, 0], model.step(context, torch.cat([past, actions[:, :1]], dim=1)))
    window, taken = context, torch.cat([past, actions], dim=1)
    for h in range(0 if looks_back_through_its_layers(model) else 4):
        latent = model.step(window, taken[:, h : h + model.history])
        torch.testing.assert_close(rollout[:, h], latent)
        window = torch.cat([window[:, 1:], latent[:, None]], dim=1)


def test_rollout_is_what_the_sequence_of_its_own_predictions_says(model):
    context, past, actions = draw(model, 2, 4)
    rollout = model.rollout(context, past, actions)
    frames, taken = torch.cat([context, rollout[:, :-1]], dim=1), torch.cat([past, actions], dim=1)
    torch.testing.assert_close(model.sequence(frames, taken), rollout)


def test_candidates_of_a_row_are_rolled_out_as_if_each_had_its_own_context(model):
    context, past, actions = draw(model, 2, 4)
    tried = torch.cat([actions, 1 - actions], dim=1).unflatten(1, (2, 4)).flatten(0, 1)
    apart = model.rollout(context.repeat_interleave(2, 0), past.repeat_interleave(2, 0), tried)
    torch.testing.assert_close(model.rollout(context, past, tried), apart)


def test_a_sequence_is_predicted_at_every_frame_that_has_a_whole_history(model):
    history = model.history
    generator = torch.Generator().manual_seed(2)
    latents = torch.randn(2, history + 3, *model.latent_shape, generator=generator, dtype=torch.float64)
    actions = torch.randn(2, history + 3, 3, generator=generator, dtype=torch.float64)
    predicted = model.sequence(latents, actions)
    assert predicted.shape == (2, 4, *model.latent_shape)
    for t in range(1 if looks_back_through_its_layers(model) else 4):
        window = slice(t, t + history)
        torch.testing.assert_close(predicted[:, t], model.step(latents[:, window], actions[:, window]))


def test_all_frames_and_all_their_actions_matter_and_the_rows_do_not_mix(model):
    context, past, actions = (values.requires_grad_() for values in draw(model, 2, 1))
    predicted = model.rollout(context, past, actions)
    given = [values for values in (context, past, actions) if values.numel()]
    gradients = torch.autograd.grad(predicted[0].square().sum(), given)
    for gradient in gradients:
        assert gradient[0].flatten(1).abs().amax(1).gt(0).all()
        assert not gradient[1].any()


def test_rollout_is_differentiable_in_the_actions(model):
    context, past, actions = draw(model, 1, 3)
    assert torch.autograd.gradcheck(lambda given: model.rollout(context, past, given), actions.requires_grad_())


def test_a_context_shorter_than_the_history_is_named(model):
    context, past, actions = draw(model, 1, 1)
    with pytest.raises(ValueError, match=rf"the context must have the model's {model.history} frames, got"):
        model.rollout(context[:, 1:], past, actions)


def test_activation_size_is_no_less_than_what_autograd_keeps():
    """The planners' memory budget counts on it: within a factor of two."""
    for predictor in predictors():
        kept = []
        latents = torch.randn(1, predictor.history, *predictor.latent_shape, requires_grad=True)
        actions = torch.randn(1, predictor.history, 3, requires_grad=True)
        for parameter in predictor.parameters():
            parameter.requires_grad_(False)
        weights = {parameter.data_ptr() for parameter in predictor.parameters()}

        def note(tensor, kept=kept, weights=weights):
            if tensor.untyped_storage().data_ptr() not in weights and tensor.is_floating_point():
                kept.append(tensor)
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
            predictor.rollout(latents, actions[:, :-1], actions[:, -1:])
        size = sum({tensor.untyped_storage().data_ptr(): tensor.numel() for tensor in kept}.values())
        assert size <= 2 * predictor.activation_size, named(predictor)
