"""The normalizer is fitted to the encoder's output; a frozen encoder runs once, which changes no training."""

import lightning as L
import pytest
import tiny_world
import torch

from gbplan.attacks import FGSM
from gbplan.data import TrajectoryDataModule, collect
from gbplan.modules import AdversarialWorldModelModule, WorldModelModule, preparation, world_model_module
from gbplan.networks import ConvEncoder, IdentityEncoder, MLPPredictor, WorldModel


def test_the_normalizer_is_fitted_to_what_the_encoder_makes_of_the_training_frames(dataset_root, fit_for_a_moment):
    class Scaled(IdentityEncoder):
        exact_goals = False

        def encode(self, observations):
            return 100 * super().encode(observations) + 7

    model = WorldModel(Scaled(2), MLPPredictor(2, 2, (8,)))
    fit_for_a_moment(model)
    data = TrajectoryDataModule(["door-wall/tiny-v0"], str(dataset_root), validation_steps=5)
    data.setup()
    frames = torch.cat([batch["observation"] for batch in data.training_frames(["observation"])])
    latents = model.encode({"observation": frames})
    torch.testing.assert_close(latents.mean(0), torch.zeros(2), atol=1e-4, rtol=0)
    torch.testing.assert_close(latents.std(0, correction=0), torch.ones(2), atol=1e-4, rtol=0)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("tiny")
    collect("TinyPixels-v0", "tiny/expert-v0", tiny_world.TinyExpert(0.3), 12, root=str(root), progress=False)
    return root


class Watched(ConvEncoder):
    """Counts the pictures it has encoded."""

    def encode(self, observations):
        self.__dict__["_encoded"] = self.__dict__.get("_encoded", 0) + observations["pixels"].shape[:-3].numel()
        return super().encode(observations)

    def count(self):
        count, self.__dict__["_encoded"] = self.__dict__.get("_encoded", 0), 0
        return count


def fit(root, folder, kind=WorldModelModule, epochs=2, seed=0, ckpt_path=None, history=2, **changes):
    torch.manual_seed(seed)
    model = WorldModel(Watched(4, 16, width=4), MLPPredictor(4, 3, (8,), history=history))
    module = kind(model, optimizer=lambda p: torch.optim.Adam(p, 1e-2), validation_horizons=[1], **changes)
    data = TrajectoryDataModule(["tiny/expert-v0"], str(root), batch_size=16, validation_steps=1)
    loop = L.Trainer(
        max_epochs=epochs, accelerator="cpu", logger=False, enable_progress_bar=False, enable_model_summary=False,
        default_root_dir=folder,
    )  # fmt: skip
    loop.fit(module, datamodule=data, ckpt_path=ckpt_path)
    return module


def encoded_frames(world_model, datamodule):
    for batch in datamodule.training_frames(world_model.encoder.observation_keys):
        yield world_model.encoder.encode(batch)


def test_a_training_from_cached_latents_is_that_of_the_encoder(root, tmp_path, monkeypatch):
    cached = fit(root, tmp_path)
    frames = sum(len(part.frames) for part in cached.trainer.datamodule._parts)
    assert cached.world_model.encoder.count() == 2 + frames + 8  # to check the sizes, to encode, and to compare
    again = fit(root, tmp_path)
    assert again.world_model.encoder.count() == 2 + 8
    monkeypatch.setattr(world_model_module, "cache_latents", lambda *_: None)
    monkeypatch.setattr(preparation, "_encoded_frames", encoded_frames)
    plain = fit(root, tmp_path)
    assert plain.world_model.encoder.count() > 2 * frames
    for name, value in plain.world_model.state_dict().items():
        torch.testing.assert_close(cached.world_model.state_dict()[name], value, rtol=1e-3, atol=1e-4)
        assert torch.equal(cached.world_model.state_dict()[name], again.world_model.state_dict()[name]), name


def test_a_resumed_training_equals_an_uninterrupted_one_bit_for_bit(root, tmp_path):
    whole = fit(root, tmp_path / "whole", epochs=3)
    stopped = fit(root, tmp_path / "parts", epochs=1)
    resumed = fit(
        root, tmp_path / "parts", epochs=3, seed=5, ckpt_path=stopped.trainer.checkpoint_callback.best_model_path
    )
    for name, value in whole.state_dict().items():
        assert torch.equal(resumed.state_dict()[name], value), name


def test_cached_latents_are_attacked_like_others(root, tmp_path):
    module = fit(root, tmp_path, AdversarialWorldModelModule, attack=FGSM())
    assert module.trainer.callback_metrics["train/attack_gain"] > 0
