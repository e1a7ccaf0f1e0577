"""The models that come with the package are those whose figures stand beside them."""

import hashlib
import json

import pytest
import torch

import gbplan
from gbplan.networks.pretrained import FOLDER, pretrained_names


def test_names_are_the_environment_and_the_method():
    assert pretrained_names() == ["door-wall/base", "door-wall/online-adversarial"]


@pytest.mark.parametrize("name", pretrained_names())
def test_model_predicts_a_free_step(name):
    model = gbplan.load_pretrained(name)
    assert not model.training
    position, action = torch.tensor([[-1.0, 0.5]]), torch.tensor([[[0.0, 1.0]]])
    latent = model.encode({"observation": position})[:, None]
    with torch.no_grad():
        arrived = model.achieved_goal(model.rollout(latent, latent[:, :0], action))[:, 0]
    torch.testing.assert_close(arrived, torch.tensor([[-1.0, 0.6]]), atol=0.03, rtol=0)  # a tenth of a unit a step


@pytest.mark.parametrize("name", pretrained_names())
def test_description_of_a_model_belongs_to_its_weights(name):
    about = json.loads((FOLDER / f"{name}.json").read_text())
    weights = (FOLDER / f"{name}.safetensors").read_bytes()
    assert about["weights_sha256"] == hashlib.sha256(weights).hexdigest()
    assert len(about["training"]["checkpoint_sha256"]) == 64
    assert about["made_by"]["commit"].isalnum()  # no + for code that was changed
    assert 0 <= about["evaluation"]["success"]["rate"] <= 1


def test_unknown_name_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match=r"no pretrained model '\.\./x'; there are door-wall/base, door-wall/online-"):
        gbplan.load_pretrained("../x")
