import pytest
import torch

from gbplan.modules import VICReg
from gbplan.networks import ConvEncoder, IdentityEncoder, MLPPredictor, Probe, WorldModel


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (
            lambda: WorldModel(ConvEncoder(4, 16), MLPPredictor(4, 2)),
            r"the training needs the observations pixels, the datasets have achieved_goal, ",
        ),
        (
            lambda: WorldModel(IdentityEncoder(2), MLPPredictor(2, 2), probe=Probe(2, 3)),
            r"the data's achieved goals have shape \(2,\), the world model's \(3,\); correct its probe's goal_dim",
        ),
        (
            lambda: WorldModel(IdentityEncoder(2, goal_indices=[0]), MLPPredictor(2, 2)),
            r"the data's goals have shape \(2,\), the world model's \(1,\); correct its encoder's goal_indices",
        ),
        (
            lambda: WorldModel(IdentityEncoder(2, state_indices=[1, 2]), MLPPredictor(2, 2)),
            r"state_indices must be below 2, how many numbers 'observation' has, got 2 in \[1, 2\]",
        ),
        (
            lambda: WorldModel(IdentityEncoder(2), MLPPredictor(2, 6), action_block=2),
            r"the data's actions have 2 numbers, so the predictor's action_dim must be 4 \(action_block = 2\), got 6",
        ),
        (
            lambda: WorldModel(IdentityEncoder(2), MLPPredictor(2, 2, history=200)),
            r"no training episode of the dataset door-wall/tiny-v0 has .*the longest has",
        ),
    ],
    ids=["keys", "probe", "goal", "state indices", "block", "history"],
)
def test_data_that_do_not_fit_the_model_are_named_before_training(model, message, fit_for_a_moment):
    with pytest.raises(ValueError, match=message):
        fit_for_a_moment(model())


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ({"history": 2}, r"data.history = 2, but the world model's history is 1; leave it out"),
        ({"action_block": 3}, r"data.action_block = 3, but the world model's action_block is 1; leave it out"),
        ({"keys": ["achieved_goal"]}, r"data.keys = \['achieved_goal'\] lack observation, which IdentityEncoder reads"),
    ],
    ids=str,
)
def test_windows_chosen_otherwise_than_the_model_looks_at_are_refused(chosen, message, fit_for_a_moment):
    with pytest.raises(ValueError, match=message):
        fit_for_a_moment(WorldModel(IdentityEncoder(2), MLPPredictor(2, 2)), **chosen)


@pytest.mark.parametrize(
    ("encode", "message"),
    [
        (lambda x: x[..., :1], r"Made has latent_shape \(2,\), but encodes frames .* into \(1, 2, 1\)"),
        (lambda x: x[:, 0], r"Made has latent_shape \(2,\), but encodes frames .* into \(1, 2\); set its"),
        (
            lambda x: x @ torch.zeros(3, 2),
            r"Made cannot encode the data \(.*\); it gets \(B, T, ...\) of",
        ),
    ],
)
def test_an_encoder_that_contradicts_itself_is_named(encode, message, fit_for_a_moment):
    class Made(IdentityEncoder):
        def encode(self, observations):
            return encode(observations["observation"])

    with pytest.raises(ValueError, match=message):
        fit_for_a_moment(WorldModel(Made(2), MLPPredictor(2, 2)))


def test_a_regularizer_needs_more_than_one_window_a_batch(learned_encoder, fit_for_a_moment):
    model = WorldModel(learned_encoder, MLPPredictor(2, 2, (8,)))
    with pytest.raises(ValueError, match=r"VICReg needs a batch of at least 2 windows, got data.batch_size = 1"):
        fit_for_a_moment(model, VICReg(2, 2), batch_size=1)
