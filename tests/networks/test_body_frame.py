import math

import pytest
import torch

from gbplan.networks import BodyFrameEncoder, MLPPredictor, WorldModel
from gbplan.networks.fused.gradients import goal_features_with_pullback

PLACES = {"point": [0, 1], "origin": [2, 3], "heading": [4, 5]}


def test_the_point_is_seen_in_the_frame_of_the_body():
    encoder = BodyFrameEncoder(6, goal_indices=[2, 3], **PLACES)
    turned = [math.cos(0.5), math.sin(0.5)]
    ahead, left = [10 + 3 * turned[0], 20 + 3 * turned[1]], [10 - 3 * turned[1], 20 + 3 * turned[0]]
    latents = encoder.encode({"observation": torch.tensor([[*ahead, 10, 20, *turned], [*left, 10, 20, *turned]])})
    assert latents[:, 6:].flatten().tolist() == pytest.approx([3, 0, 0, 3], abs=1e-5)
    assert latents.shape == (2, *encoder.latent_shape)


def test_goals_are_coordinates_of_the_state_with_their_gradient():
    model = WorldModel(BodyFrameEncoder(6, goal_indices=[2, 3], **PLACES), MLPPredictor(8, 2))
    latents = torch.arange(8.0).reshape(1, 1, 8)
    features, pullback = goal_features_with_pullback(model, latents)
    assert features.tolist() == [[[2.0, 3.0]]]
    assert pullback(torch.tensor([[[1.0, 2.0]]])).tolist() == [[[0, 0, 1, 2, 0, 0, 0, 0]]]


def test_state_indices_come_first():
    encoder = BodyFrameEncoder(6, [0], [0, 1], [2, 3], [4, 5], state_indices=[1, 0, 3, 2, 4, 5])
    latents = encoder.encode({"observation": torch.tensor([[5.0, 4, 2, 1, 1, 0, 9, 9]])})
    assert latents.tolist() == [[4, 5, 1, 2, 1, 0, 3, 3]]


@pytest.mark.parametrize("point", [[0], [0, 6], [0, -1]])
def test_a_place_outside_the_latent_is_refused(point):
    with pytest.raises(ValueError, match=r"point must be two indices in 0..5 \(dim = 6\), got"):
        BodyFrameEncoder(6, [0], point, [2, 3], [4, 5])
