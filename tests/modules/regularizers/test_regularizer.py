import pytest
import torch

from gbplan.attacks import FGSM
from gbplan.modules import (
    AdversarialWorldModelModule,
    RegularizerSum,
    SIGReg,
    TemporalStraightening,
    VICReg,
    WorldModelModule,
)
from gbplan.networks import ConvEncoder, IdentityEncoder, MLPPredictor, WorldModel


def test_a_sum_adds_its_terms():
    latents, actions = torch.randn(8, 3, 2, generator=torch.Generator().manual_seed(0)), torch.zeros(8, 2, 1)
    terms = [VICReg(2, 1), TemporalStraightening(0.5)]
    apart = [term(latents, actions, {}) for term in terms]
    torch.testing.assert_close(RegularizerSum(terms)(latents, actions, {}), apart[0] + apart[1])


def test_a_sum_of_nothing_is_refused():
    with pytest.raises(ValueError, match="terms must be one regularizer or more, got none"):
        RegularizerSum([])


def test_straight_paths_alone_do_not_keep_an_encoder_from_collapsing():
    model = WorldModel(ConvEncoder(4, 16, frozen=False), MLPPredictor(4, 2))
    with pytest.raises(ValueError, match="next-latent loss and TemporalStraightening alone, which a constant encoder"):
        WorldModelModule(model, regularizer=TemporalStraightening())
    WorldModelModule(model, regularizer=RegularizerSum([TemporalStraightening(), SIGReg()]))


def test_an_encoder_trained_on_prediction_alone_is_refused():
    model = WorldModel(ConvEncoder(4, 16, frozen=False), MLPPredictor(4, 2))
    with pytest.raises(ValueError, match=r"ConvEncoder is trained on the next-latent loss alone, .*; freeze it"):
        WorldModelModule(model)
    WorldModelModule(model, regularizer=VICReg(4, 2))
    AdversarialWorldModelModule(model, FGSM(), regularizer=VICReg(4, 2))


@pytest.mark.parametrize("encoder", [IdentityEncoder(4), ConvEncoder(4, 16)])
def test_a_frozen_encoder_needs_no_regularizer(encoder):
    with pytest.raises(ValueError, match=r"VICReg regularises an encoder in training, but .* is frozen"):
        WorldModelModule(WorldModel(encoder, MLPPredictor(4, 2)), regularizer=VICReg(4, 2))
