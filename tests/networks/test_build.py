from argparse import ArgumentError

import pytest

from gbplan.networks import IdentityEncoder, MLPPredictor
from gbplan.networks.build import build_world_model


def description(**predictor):
    sizes = {"latent_dim": 3, "action_dim": 2, "hidden_sizes": [5]}
    return {
        "class_path": "gbplan.networks.WorldModel",
        "init_args": {
            "encoder": {"class_path": "IdentityEncoder", "init_args": {"dim": 3, "goal_indices": [0, 2]}},
            "predictor": {"class_path": "gbplan.networks.MLPPredictor", "init_args": sizes | predictor},
        },
    }


def test_objects_within_objects_are_made():
    model = build_world_model(description())
    assert isinstance(model.encoder, IdentityEncoder)
    assert isinstance(model.predictor, MLPPredictor)
    assert model.encoder.goal_indices == [0, 2]
    assert [tuple(weight.shape) for weight in model.predictor.parameters()] == [(5, 5), (5,), (3, 5), (3,)]


@pytest.mark.parametrize("wrong", [{"hidden_sizes": "many"}, {"no_such": 1}], ids=str)
def test_wrong_arguments_are_refused(wrong):
    with pytest.raises(ArgumentError, match=next(iter(wrong))):
        build_world_model(description(**wrong))
