import pytest
import torch

from gbplan.modules import Labels

LABELS = Labels([2, 0], offset=[10.0, 0.0], scale=[5.0, 2.0], weight=3.0)


def test_the_first_numbers_of_a_latent_are_to_be_labels_in_their_units():
    goals = torch.tensor([[[4.0, 99.0, 20.0]], [[0.0, 99.0, 10.0]]])
    latents = torch.tensor([[[2.0, 2.0, 7.0]], [[0.0, 0.0, 7.0]]])
    assert LABELS(latents, torch.zeros(2, 0, 1), {"achieved_goal": goals}) == 0
    latents[1, 0, 0] = 2.0
    assert LABELS(latents, torch.zeros(2, 0, 1), {"achieved_goal": goals}) == 3.0


def test_missing_labels_and_latents_are_named():
    with pytest.raises(ValueError, match="the labels are 'achieved_goal', the batch has pixels; give the world model"):
        LABELS(torch.zeros(2, 1, 2), torch.zeros(2, 0, 1), {"pixels": torch.zeros(2, 1, 3)})
    with pytest.raises(ValueError, match="latents must be vectors of at least 2 numbers, one for each label, got"):
        LABELS(torch.zeros(2, 1, 1), torch.zeros(2, 0, 1), {"achieved_goal": torch.zeros(2, 1, 3)})
    with pytest.raises(ValueError, match=r"indices of Labels must be below 2, .* 'achieved_goal' has, got 2 in \[2"):
        LABELS(torch.zeros(2, 1, 2), torch.zeros(2, 0, 1), {"achieved_goal": torch.zeros(2, 1, 2)})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"offset": [0.0]}, "indices, offset and scale must have the same number of entries, at least one, got 2, 1"),
        ({"indices": [0, -1]}, r"indices must be numbers >= 0, got \[0, -1\]"),
        ({"scale": [1.0, 0.0]}, "scale must be positive"),
        ({"scale": [1.0, float("nan")]}, "scale must be positive"),
        ({"weight": -1.0}, "weight"),
    ],
)
def test_wrong_settings_of_labels_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        Labels(**{"indices": [0, 1], "offset": [0.0, 0.0], "scale": [1.0, 1.0]} | changes)
