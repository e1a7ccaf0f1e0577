import shutil

import lightning as L
import pytest
import torch
from torch import nn

from gbplan.modules import load_encoder_weights, load_world_model_weights, read_checkpoint, world_model_weights
from gbplan.modules.checkpoints import weight_differences
from gbplan.networks import ConvEncoder, Decoder, IdentityEncoder, MLPPredictor, ProprioceptiveEncoder, WorldModel


@pytest.fixture
def good(base_run):
    return base_run / "last.ckpt"


def test_weights_are_those_of_the_world_model_without_its_prefix(good):
    model = WorldModel(IdentityEncoder(2), MLPPredictor(2, 2))
    assert world_model_weights(good).keys() == model.state_dict().keys()
    load_world_model_weights(model, good)
    assert model.normalizer.fitted


def test_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no checkpoint at .*none.ckpt; train one with `gbplan fit`"):
        read_checkpoint(tmp_path / "none.ckpt")


def test_the_last_checkpoint_is_suggested_where_there_is_no_best(good, tmp_path):
    shutil.copy(good, tmp_path / "last.ckpt")
    with pytest.raises(FileNotFoundError, match=r"no checkpoint at .*best.ckpt; use .*last.ckpt, which there is"):
        read_checkpoint(tmp_path / "best.ckpt")


@pytest.mark.parametrize("keep", [0.0, 0.3, 0.9])
def test_truncated_file_is_called_incomplete(good, tmp_path, keep):
    data = good.read_bytes()
    (tmp_path / "cut.ckpt").write_bytes(data[: int(keep * len(data))])
    with pytest.raises(ValueError, match=r"cut.ckpt is not a complete checkpoint"):
        read_checkpoint(tmp_path / "cut.ckpt")


def test_file_of_something_else_is_refused(tmp_path):
    (tmp_path / "text.ckpt").write_text("not a checkpoint at all")
    torch.save({"weights": torch.zeros(2)}, tmp_path / "other.ckpt")
    with pytest.raises(ValueError, match=r"text.ckpt is not a complete checkpoint"):
        read_checkpoint(tmp_path / "text.ckpt")
    with pytest.raises(ValueError, match=r"other.ckpt is not a Lightning checkpoint"):
        read_checkpoint(tmp_path / "other.ckpt")


def test_checkpoint_of_another_class_is_refused(tmp_path):
    class Other(L.LightningModule):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(2, 2)

    torch.save({"state_dict": Other().state_dict()}, tmp_path / "other.ckpt")
    with pytest.raises(ValueError, match=r"holds no world model .*it was trained by another class"):
        world_model_weights(tmp_path / "other.ckpt")


def test_weights_that_are_not_finite_are_named(good, tmp_path):
    checkpoint = read_checkpoint(good)
    checkpoint["state_dict"]["world_model.predictor.net.2.weight"][3, 4] = torch.nan
    torch.save(checkpoint, tmp_path / "nan.ckpt")
    with pytest.raises(ValueError, match=r"NaN or infinite \(predictor.net.2.weight\)"):
        world_model_weights(tmp_path / "nan.ckpt")


def test_model_of_another_size_is_refused_with_both_sizes(good):
    model = WorldModel(IdentityEncoder(2), MLPPredictor(2, 2, hidden_sizes=(64, 64)))
    with pytest.raises(ValueError, match=r"predictor.net.0.bias: expected \(64,\), got \(128,\)"):
        load_world_model_weights(model, good)


def conv_model(seed, width=2):
    torch.manual_seed(seed)
    return WorldModel(ConvEncoder(4, 16, width=width), MLPPredictor(4, 2))


@pytest.fixture
def encoder_ckpt(tmp_path):
    path = tmp_path / "encoder.ckpt"
    weights = {f"world_model.{name}": value for name, value in conv_model(0).state_dict().items()}
    torch.save({"state_dict": weights}, path)
    return path


class Counting(MLPPredictor):
    """Keeps something in its state that is no tensor."""

    def get_extra_state(self):
        return {"calls": 3}

    def set_extra_state(self, state): ...


def test_state_that_is_no_tensor_is_compared_by_its_type():
    counting, plain = Counting(2, 2, (4,)), MLPPredictor(2, 2, (4,))
    assert weight_differences(counting, counting.state_dict()) == []
    assert weight_differences(counting, plain.state_dict()) == ["_extra_state: expected dict, but it is missing"]
    assert weight_differences(plain, counting.state_dict()) == ["_extra_state: expected none, got dict"]


@pytest.mark.parametrize("proprioception", [False, True])
def test_an_encoder_begins_with_that_of_a_checkpoint(encoder_ckpt, proprioception):
    encoder = conv_model(1).encoder
    load_encoder_weights(ProprioceptiveEncoder(encoder, 2) if proprioception else encoder, encoder_ckpt)
    for name, value in conv_model(0).encoder.state_dict().items():
        assert torch.equal(encoder.state_dict()[name], value), name


@pytest.mark.parametrize("saved", [True, False])
@pytest.mark.parametrize("wanted", [True, False])
def test_a_decoder_may_be_absent_from_either(tmp_path, saved, wanted):
    def model(decoder):
        return WorldModel(
            ConvEncoder(4, 16), MLPPredictor(4, 2, (8,)), decoder=Decoder(4, 16, width=2) if decoder else None
        )

    module, loaded = nn.Module(), model(wanted)
    module.world_model = model(saved)
    own = {name: value.clone() for name, value in loaded.state_dict().items()}
    torch.save({"state_dict": module.state_dict()}, tmp_path / "model.ckpt")
    load_world_model_weights(loaded, tmp_path / "model.ckpt")
    for name, value in loaded.state_dict().items():
        kept = name.startswith("decoder.") and not saved
        torch.testing.assert_close(value, own[name] if kept else module.state_dict()[f"world_model.{name}"])


def test_an_encoder_of_another_size_is_named(encoder_ckpt):
    with pytest.raises(ValueError, match=r"the encoder in .*encoder.ckpt does not fit this one \(head.weight: "):
        load_encoder_weights(conv_model(1, width=3).encoder, encoder_ckpt)
