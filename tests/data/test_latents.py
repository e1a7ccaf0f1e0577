import gc
from dataclasses import replace
from types import SimpleNamespace

import gymnasium as gym
import numpy as np
import pytest
import torch
from lightning.pytorch import LightningModule, Trainer
from torch import nn

from gbplan.data import TrajectoryDataModule, write_dataset
from gbplan.data.latents import LatentColumn
from gbplan.data.processes import alone
from gbplan.data.replay_buffer import ReplayBuffer


class Counting:
    """Encodes the observation into twice its numbers and their squares, and counts what it has encoded."""

    def __init__(self):
        self.encoded = 0

    def __call__(self, observations):
        self.encoded += len(observations["observation"])
        seen = observations["observation"] + observations["achieved_goal"]
        return torch.stack([2 * seen, seen**2], dim=1)  # (b, 2, 2)


def latents_of(observation):
    seen = 2 * observation + 0.25
    return torch.stack([2 * seen, seen**2], dim=-2)


class Changed(Counting):
    def __call__(self, observations):
        return 2 * super().__call__(observations)


KEYS = ["observation", "achieved_goal"]


@pytest.fixture
def module(tmp_path, stored, ladder):
    stored(ladder(3, 3, 3, 3))

    def make(**changes):
        arguments = {"batch_size": 4, "validation_steps": 2, "validation_fraction": 0.25} | changes
        data = TrajectoryDataModule(["toy-v0"], str(tmp_path), **arguments)
        data.setup()
        return data

    return make


def test_batches_contain_the_latents_in_place_of_what_only_the_encoder_reads(module):
    data, plain = module(), module()
    data.cache_latents(Counting(), "key", (2, 2), batch_size=5, keys=KEYS)
    for loader in ("train_dataloader", "val_dataloader"):
        for batch, expected in zip(getattr(data, loader)(), getattr(plain, loader)(), strict=True):
            assert set(batch) == {"observations", "actions", "latents"}
            assert set(batch["observations"]) == {"desired_goal"}
            assert torch.equal(batch["latents"], latents_of(expected["observations"]["observation"]))
            assert torch.equal(batch["actions"], expected["actions"])


def test_a_dataset_is_encoded_once_for_each_encoder(module, tmp_path):
    for key, expected in [("one", 16), ("one", 0), ("two", 16), ("one", 0)]:
        encode = Counting()
        module().cache_latents(encode, key, (2, 2), keys=KEYS)
        assert encode.encoded == expected + 8  # 8 are compared with the column
    (folder,) = (tmp_path / "toy-v0" / "cache").iterdir()
    assert len(list(folder.glob("latents-*"))) == 2


def test_another_encoder_of_the_same_data_module_replaces_the_first(module):
    data = module()
    data.cache_latents(Counting(), "one", (2, 2), keys=KEYS)
    data.cache_latents(lambda observations: observations["observation"] + 100, "two", (2,), keys=["observation"])
    batch = next(iter(data.train_dataloader()))
    assert batch["latents"].shape == (4, 2, 2)
    assert batch["latents"].min() >= 100


def test_an_encoder_that_has_changed_under_its_key_is_refused(module):
    module().cache_latents(Counting(), "key", (2, 2), keys=KEYS)
    data = module()
    with pytest.raises(ValueError, match=r"latents in .* are not what this encoder makes, .* remove the folder"):
        data.cache_latents(Changed(), "key", (2, 2), keys=KEYS)
    assert "latents" not in next(iter(data.train_dataloader()))


def test_latents_are_for_the_module_that_has_cached_them_even_when_it_is_gone(module):
    data, asking = module(), LightningModule()
    data.trainer = SimpleNamespace(lightning_module=asking, progress_bar_callback=None, current_epoch=0, world_size=1)
    data.cache_latents(Counting(), "key", (2, 2), keys=KEYS)
    assert "latents" in next(iter(data.train_dataloader()))
    data.trainer = None
    del asking
    gc.collect()
    assert "latents" not in next(iter(data.train_dataloader()))


def test_latents_of_training_frames_come_in_order(module):
    data = module()
    data.cache_latents(Counting(), "key", (2, 2), keys=KEYS)
    frames = zip(data.training_frames(["latents"], 5), data.training_frames(["observation"], 5), strict=True)
    for latents, observations in frames:
        assert torch.equal(latents["latents"], latents_of(observations["observation"]))


def test_half_precision_is_stored_and_full_precision_delivered(module, tmp_path):
    data = module()
    data.cache_latents(Counting(), "key", (2, 2), torch.float16, keys=KEYS)
    (path,) = (tmp_path / "toy-v0" / "cache").rglob("latents.npy")
    assert np.load(path).dtype == np.float16
    assert next(iter(data.train_dataloader()))["latents"].dtype == torch.float32
    with pytest.raises(ValueError, match=r"stored as torch.float32 or torch.float16, got torch.float64"):
        data.cache_latents(Counting(), "key", (2, 2), torch.float64, keys=KEYS)


def test_latents_beyond_half_precision_are_refused(module, tmp_path):
    huge = lambda seen: torch.full((len(seen["observation"]), 2), 1e5)  # noqa: E731
    with pytest.raises(ValueError, match=r"NaN or infinite of .*, or too large for torch.float16"):
        module().cache_latents(huge, "key", (2,), torch.float16, keys=KEYS)
    assert list(tmp_path.rglob("latents*")) == []


def test_episodes_added_before_and_after_are_encoded(module, ladder):
    data = module(online_fraction=1.0, samples_per_epoch=9)
    data.extend(ladder(3, offset=1000))
    encode = Counting()
    data.cache_latents(encode, "key", (2, 2), keys=KEYS)
    assert encode.encoded == 16 + 8 + 4
    data.extend(ladder(2, 2, offset=2000))
    assert encode.encoded == 28 + 6
    seen = torch.cat([batch["latents"][:, 0, 0] for batch in data.train_dataloader()])
    expected = [4 * x + 0.5 for x in (1000, 1001, 1002, 2000, 2001, 2003, 2004)]
    assert sorted({float(x) for x in seen[:, 0]}) == expected


@pytest.fixture
def beside(tmp_path, ladder):
    """A buffer of six frames in files, with their latents, another one that finds them, and the latents' file."""
    first, second = ReplayBuffer(100), ReplayBuffer(100)
    first.place(tmp_path / "buffer", alone)
    first.extend(ladder(3, 1))
    column = LatentColumn(Counting(), "key", tuple(KEYS), (2, 2), torch.float32, 256)
    first.encode_with(column)
    second.load_state_dict(first.state_dict(), look_in=[tmp_path / "buffer"])
    (path,) = (tmp_path / "buffer").glob("*.npy")
    second.place(tmp_path / "buffer", alone)
    return second, column, path


def test_latents_beside_a_buffers_file_are_used_again(beside):
    buffer, column, _ = beside
    encode = Counting()
    buffer.encode_with(replace(column, encode=encode))
    assert encode.encoded == 6  # compared with the column, at most 8


def test_latents_of_fewer_frames_than_a_buffers_file_are_made_again(beside):
    buffer, column, path = beside
    np.save(path, np.load(path)[:4])
    buffer.encode_with(column)
    (frames,) = buffer.frames()
    assert torch.equal(frames.columns["latents"], latents_of(frames.columns["observation"]))


def test_an_encoder_that_has_changed_is_refused_beside_a_buffers_file(beside):
    buffer, column, path = beside
    with pytest.raises(ValueError, match=rf"latents in .*{path.name} are not what this encoder makes.* remove the f"):
        buffer.encode_with(replace(column, encode=Changed()))


@pytest.mark.parametrize(
    ("encode", "keys", "message"),
    [
        (lambda seen: seen["observation"], KEYS, r"makes latents of shape \(2,\) of observation, achieved_goal, exp"),
        (lambda seen: torch.full((len(seen["observation"]), 2, 2), torch.nan), KEYS, "latents that are NaN or infini"),
        (
            Counting(),
            ["pixels"],
            "needs the observations pixels, the datasets have achieved_goal, desired_goal, obs",
        ),
        (Counting(), None, "cannot tell what the encoder of a trained module reads; pass keys"),
    ],
    ids=["shape", "nan", "keys", "no module"],
)
def test_what_cannot_be_encoded_is_refused_and_nothing_left(module, tmp_path, encode, keys, message):
    data = module()
    with pytest.raises(ValueError, match=message):
        data.cache_latents(encode, "key", (2, 2), keys=keys)
    assert list(tmp_path.rglob("latents*")) == []
    assert "latents" not in next(iter(data.train_dataloader()))


def test_an_observation_of_that_name_is_refused(tmp_path, ladder):
    trajectories = ladder(3, 3)
    trajectories.observations["latents"] = trajectories.observations["observation"]
    write_dataset(trajectories, "named-v0", gym.make("Drift-v0", more="latents").spec, root=tmp_path)
    with pytest.raises(ValueError, match="has an observation 'latents', the name that an encoder's output has"):
        TrajectoryDataModule(["named-v0"], str(tmp_path), validation_fraction=0.5).setup()


# ------------------------------------------------------------------------------------------------ in a real training


class Encoder(nn.Module):
    observation_keys = ("observation", "achieved_goal")

    def __init__(self):
        super().__init__()
        self.counting = Counting()


class World(nn.Module):
    history, action_block, probe, has_probe = 1, 1, None, False

    def __init__(self):
        super().__init__()
        self.encoder = Encoder()


class Recorder(LightningModule):
    """Trains a layer on latents, and adds an episode after every epoch."""

    def __init__(self, ladder):
        super().__init__()
        self.world_model = World()
        self.layer = nn.Linear(4, 4)
        self.ladder = ladder
        self.batches = []

    def on_fit_start(self):
        self.trainer.datamodule.cache_latents(self.world_model.encoder.counting, "key", (2, 2), batch_size=3)

    def training_step(self, batch, batch_index):
        self.batches.append(batch)
        latents = batch["latents"].flatten(2) / 1000
        return (self.layer(latents[:, 0]) - latents[:, 1]).square().mean()

    def validation_step(self, batch, batch_index):
        self.batches.append(batch)

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), 1e-2)

    def on_train_epoch_end(self):
        self.trainer.datamodule.extend(self.ladder(3, 2, offset=10 * (self.current_epoch + 1)))


def fit(model, data, folder, epochs, ckpt_path=None):
    Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        reload_dataloaders_every_n_epochs=1,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=folder,
    ).fit(model, datamodule=data, ckpt_path=ckpt_path)
    return model


def test_a_module_may_ask_for_latents_before_its_loaders_are_made(module, ladder, tmp_path):
    data = module()
    model = fit(Recorder(ladder), data, tmp_path / "run", 2)
    assert all(set(batch) == {"observations", "actions", "latents"} for batch in model.batches)
    assert all(batch["observations"] == {} for batch in model.batches)

    class Plain(Recorder):
        def on_fit_start(self):
            pass

        training_step = Recorder.validation_step

    plain = fit(Plain(ladder), data, tmp_path / "plain", 1)  # this module has not asked
    assert all(set(batch["observations"]) == set(KEYS) for batch in plain.batches)


def test_a_resumed_training_equals_an_uninterrupted_one_bit_for_bit(module, ladder, tmp_path):
    def trained(folder, epochs, ckpt_path=None, seed=0):
        torch.manual_seed(seed)
        data = module(samples_per_epoch=24)
        return fit(Recorder(ladder), data, tmp_path / folder, epochs, ckpt_path)

    whole = trained("whole", 3)
    stopped = trained("parts", 1)
    resumed = trained("parts", 3, stopped.trainer.checkpoint_callback.best_model_path, seed=123)
    assert torch.equal(whole.layer.weight, resumed.layer.weight)
    # What was encoded before lies in files: eight frames of the dataset and the buffer's seven are compared with them.
    assert resumed.world_model.encoder.counting.encoded == 8 + 7 + 2 * 7
