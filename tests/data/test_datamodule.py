import shutil
from pathlib import Path
from types import SimpleNamespace

import gymnasium as gym
import numpy as np
import pytest
import torch
from lightning.pytorch import LightningModule, Trainer

from gbplan.data import TrajectoryDataModule, write_dataset


def first_frames(loader) -> list[float]:
    """The number of the first frame of every window of an epoch, in order."""
    return [float(x) for batch in loader for x in batch["observations"]["observation"][:, 0, 0]]


def epoch_of(data, epoch):
    loader = data.train_dataloader()
    loader.batch_sampler.sampler.set_epoch(epoch)
    return first_frames(loader)


# ----------------------------------------------------------------------------------------------------------- windows


def test_an_epoch_contains_every_training_window_once_and_none_of_validation(module, stored, ladder):
    stored(ladder(3, 3, 3, 3))  # frames 0-3, 4-7, 8-11, 12-15
    data = module()
    kept = first_frames(data.val_dataloader())
    trained = first_frames(data.train_dataloader())
    assert sorted(trained + kept) == [0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14]
    assert len(kept) == 3
    assert len({int(frame) // 4 for frame in kept}) == 1  # one whole episode


def test_batches_have_the_promised_shapes_and_meaning(module, ladder, tmp_path):
    write_dataset(ladder(5, 5, 5, 5, dim=3), "toy-v0", gym.make("Drift-v0", dim=3).spec, root=tmp_path)
    batch = next(iter(module(steps=2).train_dataloader()))
    assert set(batch) == {"observations", "actions"}
    assert set(batch["observations"]) == {"observation", "achieved_goal", "desired_goal"}
    assert {value.shape for value in batch["observations"].values()} == {(4, 3, 3)}
    assert batch["actions"].shape == (4, 2, 3)
    assert {value.dtype for value in (*batch["observations"].values(), batch["actions"])} == {torch.float32}
    first = batch["observations"]["observation"][:, :1]
    torch.testing.assert_close(
        batch["observations"]["observation"], first + torch.arange(3)[:, None]
    )  # frames in a row, within one episode
    torch.testing.assert_close(batch["actions"], batch["observations"]["observation"][:, :-1] / 100)
    torch.testing.assert_close(batch["observations"]["desired_goal"], batch["observations"]["observation"] + 0.5)


def test_validation_windows_follow_each_other_in_a_fixed_order(module, stored, ladder):
    stored(ladder(7, 7))
    data = module(validation_steps=3, validation_fraction=0.5)
    starts = first_frames(data.val_dataloader())
    assert starts == first_frames(data.val_dataloader())
    assert starts in ([0, 3], [8, 11])
    assert next(iter(data.val_dataloader()))["actions"].shape == (2, 3, 2)


def test_held_episodes_give_a_window_to_every_frame_and_leave_the_statistics_alone(module, stored, ladder):
    stored(ladder(3, 3, 3, 3))
    plain, held = module(), module(steps=5, validation_steps=5, hold_steps=5)
    frames = torch.cat([batch["observations"]["observation"][:, :, 0] for batch in held.train_dataloader()])
    assert len(set(frames[:, 0].tolist())) == 12  # all four frames of each of three episodes
    ends = 4 * (frames[:, :1] // 4) + 3
    torch.testing.assert_close(frames, torch.minimum(frames[:, :1] + torch.arange(6), ends))
    torch.testing.assert_close(held.statistics.action_std, plain.statistics.action_std, rtol=0, atol=0)


def test_order_and_split_depend_on_the_seed_and_the_epoch_only(module, stored, ladder):
    stored(ladder(*[4] * 20))
    first, second, other = module(seed=1), module(seed=1), module(seed=2)
    torch.rand(7)
    assert epoch_of(first, 3) == epoch_of(second, 3) != epoch_of(first, 4)
    assert first_frames(first.val_dataloader()) == first_frames(second.val_dataloader())
    assert first_frames(first.val_dataloader()) != first_frames(other.val_dataloader())


def test_samples_per_epoch_bounds_the_epoch(module, stored, ladder):
    stored(ladder(*[4] * 4))
    few, many = epoch_of(module(samples_per_epoch=5), 0), epoch_of(module(samples_per_epoch=30), 0)
    assert len(few) == len(set(few)) == 5
    assert len(many) == 30
    assert {many.count(frame) for frame in many} == {2, 3}  # 12 windows, twice all of them and 6 once more


def test_weights_share_out_the_epoch(module, stored, ladder):
    stored(ladder(*[5] * 4), "small-v0")
    stored(ladder(*[5] * 40, offset=1000), "large-v0")
    data = module({"small-v0": 3.0, "large-v0": 1.0}, samples_per_epoch=100)
    drawn = epoch_of(data, 0)
    assert sum(frame < 1000 for frame in drawn) == 75
    assert {drawn.count(frame) for frame in drawn if frame < 1000} == {5}  # 15 windows, 5 passes
    unweighted = module(["small-v0", "large-v0"])
    assert len(epoch_of(unweighted, 0)) == len(set(epoch_of(unweighted, 0))) == 15 + 150


def test_setup_twice_reads_once(module, stored, ladder, tmp_path):
    stored(ladder(3, 3, 3, 3))
    data = module()
    (tmp_path / "toy-v0" / "data" / "main_data.hdf5").unlink()
    data.setup("fit")
    data.setup("validate")
    assert len(first_frames(data.train_dataloader())) == 9


# ---------------------------------------------------------------------------------------------- history and blocks


class Module(LightningModule):
    """Says what a trained module says about its batches."""

    def __init__(self, history=1, action_block=1, keys=("observation",), probe=None, has_probe=False, batch_keys=()):
        super().__init__()
        encoder = SimpleNamespace(observation_keys=keys)
        said = {"history": history, "action_block": action_block, "probe": probe, "has_probe": has_probe}
        self.world_model = SimpleNamespace(encoder=encoder, **said)
        self.batch_keys = batch_keys


def trained_by(data, module):
    data.trainer = SimpleNamespace(lightning_module=module, current_epoch=0, world_size=1)
    data.setup("fit")
    return data


def test_windows_contain_history_and_whole_blocks_from_every_frame_on(module, stored, ladder):
    stored(ladder(9, 9, 9, 9))
    data = module(steps=2, validation_steps=1, history=2, action_block=3)  # 1 + 2 model steps of 3 environment steps
    batches = list(data.train_dataloader())
    frames = torch.cat([batch["observations"]["observation"][:, :, 0] for batch in batches])
    actions = torch.cat([batch["actions"] for batch in batches])
    assert frames.shape == (3, 4)
    assert actions.shape == (3, 3, 6)
    torch.testing.assert_close(frames - frames[:, :1], torch.tensor([[0.0, 3.0, 6.0, 9.0]]).expand(3, 4))
    taken = frames[:, :1, None] + torch.arange(9.0).reshape(3, 3)
    torch.testing.assert_close(actions[:, :, 0::2] * 100, taken)
    torch.testing.assert_close(actions[:, :, 1::2] * 100, taken)
    data = module(steps=1, history=1, action_block=3)
    starts = sorted(first_frames(data.train_dataloader()))
    assert [int(start) % 10 for start in starts] == [*range(7)] * 3  # every offset


def test_validation_predicts_no_step_twice(module, stored, ladder):
    stored(ladder(10, 10))
    data = module(validation_steps=2, validation_fraction=0.5, history=3, action_block=2)
    starts = [int(start) % 11 for start in first_frames(data.val_dataloader())]
    assert starts == [0]  # from frame 4 on, steps 4 to 8; the next would need frame 12
    data = module(validation_steps=1, validation_fraction=0.5, history=3, action_block=2)
    starts = [int(start) % 11 for start in first_frames(data.val_dataloader())]
    assert starts == [0, 2, 4]  # predicted are frames 6, 8 and 10


def test_the_trained_module_decides_unless_arguments_do(module, stored, ladder):
    stored(ladder(9, 9, 9, 9))
    asks = Module(history=2, action_block=3, keys=("achieved_goal", "observation"))
    batch = next(iter(trained_by(module(), asks).train_dataloader()))
    assert batch["actions"].shape == (4, 2, 6)
    assert list(batch["observations"]) == ["achieved_goal", "observation"]
    told = trained_by(module(history=1, action_block=1, keys=["desired_goal"]), asks)
    batch = next(iter(told.train_dataloader()))
    assert batch["actions"].shape == (4, 1, 2)
    assert list(batch["observations"]) == ["desired_goal"]


def test_batches_contain_what_is_needed_and_no_more(module, stored, ladder):
    stored(ladder(3, 3, 3, 3))

    def keys(loader, **asks):
        data = trained_by(module(), Module(**asks))
        return set(next(iter(getattr(data, loader)()))["observations"])

    assert keys("train_dataloader") == keys("val_dataloader") == {"observation"}
    assert keys("train_dataloader", has_probe=True) == {"observation"}
    assert keys("val_dataloader", has_probe=True) == {"observation", "achieved_goal"}
    assert keys("train_dataloader", probe=object()) == {"observation", "achieved_goal"}
    assert keys("train_dataloader", batch_keys=("desired_goal",)) == {"observation", "desired_goal"}
    everything = {"observation", "achieved_goal", "desired_goal"}
    assert set(next(iter(trained_by(module(), LightningModule()).train_dataloader()))["observations"]) == everything


def test_another_module_gets_windows_of_its_own(module, stored, ladder):
    stored(ladder(9, 9, 9, 9))
    data = module()
    for history, block in ((2, 2), (1, 1), (1, 4)):
        batch = next(iter(trained_by(data, Module(history, block)).train_dataloader()))
        assert batch["actions"].shape == (4, history, 2 * block)


def test_added_episodes_are_cut_likewise(module, stored, ladder):
    stored(ladder(9, 9, 9, 9))
    data = module(history=2, action_block=2, online_fraction=1.0, samples_per_epoch=8)
    data.extend(ladder(5, 3, offset=1000))  # windows of 4 steps
    frames = torch.cat([batch["observations"]["observation"][:, :, 0] for batch in data.train_dataloader()])
    assert sorted(set(frames[:, 0].tolist())) == [1000, 1001]
    torch.testing.assert_close(frames - frames[:, :1], torch.tensor([[0.0, 2.0, 4.0]]).expand(8, 3))


# ------------------------------------------------------------------------------------------------------------- facts


def test_statistics_are_of_the_training_episodes_and_of_actions_taken(module, stored, ladder):
    stored(ladder(3, 3, 3, 3))
    data = module()
    kept = {int(frame) // 4 for frame in first_frames(data.val_dataloader())}
    trained = [f for f in range(16) if f // 4 not in kept]
    acted = [f / 100 for f in trained if f % 4 != 3]
    found = data.statistics
    np.testing.assert_allclose(found.action_mean, [np.mean(acted)] * 2, rtol=1e-6)
    np.testing.assert_allclose(found.action_std, [np.std(acted)] * 2, rtol=1e-6)


def test_frames_to_fit_a_normaliser_to_are_those_of_the_training_episodes_in_order(module, stored, ladder):
    stored(ladder(3, 3, 3, 3))
    data = module(hold_steps=2)
    kept = {int(frame) // 4 for frame in first_frames(data.val_dataloader())}
    batches = list(data.training_frames(["observation", "desired_goal"], batch_size=5))
    assert [len(batch["observation"]) for batch in batches] == [5, 5, 2]
    frames = torch.cat([batch["observation"][:, 0] for batch in batches])
    assert frames.tolist() == [f for f in range(16) if f // 4 not in kept]
    assert torch.equal(torch.cat([batch["desired_goal"][:, 0] for batch in batches]), frames + 0.5)
    (batch,) = data.training_frames(["achieved_goal"])
    assert len(batch["achieved_goal"]) == 12


def test_facts_about_the_environment(module, stored, ladder):
    stored(ladder(3, 3, 3, 3))
    data = module()
    assert data.env_spec.id == "Drift-v0"
    assert data.observation_shapes == {"observation": (2,), "achieved_goal": (2,), "desired_goal": (2,)}
    assert (data.action_dim, data.goal_dim) == (2, 2)
    assert data.action_space.high.tolist() == [1, 1]


def test_facts_before_setup_are_refused(tmp_path):
    data = TrajectoryDataModule(["toy-v0"], str(tmp_path))
    for ask in (lambda: data.statistics, lambda: data.action_dim, data.train_dataloader, data.val_dataloader):
        with pytest.raises(RuntimeError, match=r"not read its datasets yet; call setup\(\) first"):
            ask()


# --------------------------------------------------------------------------------------------------------- extending


def test_added_episodes_get_their_share_of_the_next_epoch(module, stored, ladder):
    stored(ladder(*[5] * 4))
    data = module(online_fraction=0.4, samples_per_epoch=50)
    assert max(epoch_of(data, 0)) < 1000
    data.extend(ladder(4, offset=1000))
    drawn = epoch_of(data, 0)
    assert len(drawn) == 50
    assert sorted({frame for frame in drawn if frame >= 1000}) == [1000, 1001, 1002, 1003]
    assert {drawn.count(frame) for frame in drawn if frame >= 1000} == {5}  # 20 draws of 4 windows


def test_weights_keep_their_ratio_beside_added_episodes(module, stored, ladder):
    stored(ladder(*[5] * 4), "small-v0")
    stored(ladder(*[5] * 4, offset=1000), "large-v0")
    data = module({"small-v0": 3.0, "large-v0": 1.0}, samples_per_epoch=80, online_fraction=0.5)
    data.extend(ladder(4, offset=2000))
    drawn = np.array(epoch_of(data, 0))
    assert [(drawn < 1000).sum(), ((drawn >= 1000) & (drawn < 2000)).sum(), (drawn >= 2000).sum()] == [30, 10, 40]


def test_added_windows_do_not_cross_episodes_either(module, stored, ladder):
    stored(ladder(*[5] * 4))
    data = module(steps=2, online_fraction=1.0, samples_per_epoch=100)
    data.extend(ladder(3, 1, 2, offset=1000))  # frames 1000-1003, 1004-1005, 1006-1008
    assert set(epoch_of(data, 0)) == {1000, 1001, 1006}


@pytest.mark.parametrize("added", [(), (1, 1)], ids=["nothing", "too short episodes"])
def test_without_added_windows_the_base_keeps_the_whole_epoch(module, stored, ladder, added):
    stored(ladder(*[5] * 4))
    data = module(steps=2)
    data.extend(ladder(*added, offset=1000) if added else ladder(2).select([]))
    assert len(epoch_of(data, 0)) == 12
    assert max(epoch_of(data, 0)) < 1000


def test_the_oldest_added_episodes_leave(module, stored, ladder):
    stored(ladder(*[5] * 4))
    data = module(buffer_capacity=5, online_fraction=1.0)
    data.extend(ladder(3, offset=1000))
    data.extend(ladder(4, offset=2000))
    assert min(epoch_of(data, 0)) >= 2000
    assert data.buffer.added == 7


def test_statistics_do_not_move_with_added_episodes(module, stored, ladder):
    stored(ladder(*[5] * 4))
    data = module()
    before = data.statistics.action_mean.clone()
    data.extend(ladder(4, offset=1000))
    assert torch.equal(data.statistics.action_mean, before)


@pytest.mark.parametrize("rank", [0, 1])
def test_a_file_that_cannot_be_written_fails_in_all_processes_alike(
    module, stored, ladder, tmp_path, monkeypatch, rank
):
    stored(ladder(*[5] * 4))
    data = module()
    failure = OSError("No space left on device")
    sent = []

    def broadcast(outcome):
        sent.append(outcome)
        return outcome if rank == 0 else (None, failure)

    strategy = SimpleNamespace(broadcast=broadcast)
    told = {"is_global_zero": rank == 0, "world_size": 2, "strategy": strategy, "training": False}
    data.trainer = SimpleNamespace(default_root_dir=str(tmp_path / "run"), fast_dev_run=False, **told)
    monkeypatch.setattr(torch, "save", lambda *_: (_ for _ in ()).throw(failure))
    with pytest.raises(OSError, match="No space left"):
        data.extend(ladder(3))
    assert sent[-1] == (None, failure if rank == 0 else None)
    assert data.buffer.added == 0


# ------------------------------------------------------------------------------------------------- in a real training


class Recorder(LightningModule):
    """Trains nothing of note and notes what it is given; adds an episode after every epoch."""

    def __init__(self, extension=None):
        super().__init__()
        self.layer = torch.nn.Linear(4, 2)
        self.extension = extension
        self.seen = []

    def training_step(self, batch, batch_index):
        observations = batch["observations"]["observation"]
        if batch_index == 0:
            self.seen.append([])
        self.seen[-1] += observations[:, 0, 0].tolist()
        inputs = torch.cat([observations[:, 0], batch["actions"][:, 0]], dim=-1) / 100
        return (self.layer(inputs) - observations[:, 1] / 100).square().mean()

    def validation_step(self, batch, batch_index):
        pass

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), 1e-2)

    def on_train_epoch_end(self):
        if self.extension is not None:
            self.trainer.datamodule.extend(self.extension(self.current_epoch))


def fit(model, data, folder, epochs, ckpt_path=None, **changes):
    arguments = {
        "accelerator": "cpu",
        "reload_dataloaders_every_n_epochs": 1,
        "logger": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "default_root_dir": folder,
    }
    trainer = Trainer(max_epochs=epochs, **(arguments | changes))
    trainer.fit(model, datamodule=data, ckpt_path=ckpt_path)
    return trainer


def test_an_extension_is_trained_on_in_the_next_epoch(module, stored, ladder, tmp_path):
    stored(ladder(*[5] * 4))
    model = Recorder(lambda epoch: ladder(3, offset=1000 * (epoch + 1)))
    fit(model, module(online_fraction=0.5, samples_per_epoch=24), tmp_path, 3)
    sources = [sorted({int(frame) // 1000 for frame in epoch}) for epoch in model.seen]
    assert sources == [[0], [0, 1], [0, 1, 2]]


def test_the_trainer_tells_the_sampler_the_epoch(module, stored, ladder, tmp_path):
    stored(ladder(*[5] * 4))
    data, model = module(), Recorder()
    fit(model, data, tmp_path, 3, reload_dataloaders_every_n_epochs=0)
    assert model.seen == [epoch_of(data, epoch) for epoch in range(3)]
    assert model.seen[0] != model.seen[1]


def test_a_trainer_that_would_never_see_an_extension_is_refused(module, stored, ladder, tmp_path):
    stored(ladder(*[5] * 4))
    with pytest.raises(RuntimeError, match="give it reload_dataloaders_every_n_epochs=1"):
        fit(Recorder(lambda _: ladder(3)), module(), tmp_path, 2, reload_dataloaders_every_n_epochs=0)


@pytest.mark.parametrize("stop_after", [1, 3])
@pytest.mark.parametrize("workers", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_a_resumed_training_equals_an_uninterrupted_one_bit_for_bit(
    module, stored, ladder, tmp_path, stop_after, workers
):
    stored(ladder(*[5] * 8))

    def trained(epochs, ckpt_path=None, seed=0):
        torch.manual_seed(seed)
        model = Recorder(lambda epoch: ladder(3, 2, offset=1000 * (epoch + 1)))
        data = module(buffer_capacity=12, samples_per_epoch=50, num_workers=workers)
        return fit(model, data, tmp_path / f"{epochs}", epochs, ckpt_path), model, data

    _, whole, whole_data = trained(5)
    trainer, _, _ = trained(stop_after)
    checkpoint = trainer.checkpoint_callback.best_model_path
    assert torch.load(checkpoint, weights_only=True)["TrajectoryDataModule"]["buffer"]["added"] == 5 * stop_after
    _, resumed, resumed_data = trained(5, checkpoint, seed=123)
    assert whole.seen[stop_after:] == resumed.seen
    assert torch.equal(whole.layer.weight, resumed.layer.weight)
    assert whole_data.buffer.state_dict() == resumed_data.buffer.state_dict()
    assert whole_data.buffer.added == resumed_data.buffer.added == 25
    for one, two in zip(whole_data.buffer.episodes(), resumed_data.buffer.episodes(), strict=True):
        assert np.array_equal(one.observations["observation"], two.observations["observation"])


def test_a_run_may_move_and_is_validated_without_its_buffer(module, stored, ladder, tmp_path):
    stored(ladder(*[5] * 8))

    def run(folder, epochs, ckpt_path=None):
        torch.manual_seed(0)
        model = Recorder(lambda epoch: ladder(3, 2, offset=1000 * (epoch + 1)))
        return fit(model, module(), folder, epochs, ckpt_path), model

    _, whole = run(tmp_path / "whole", 3)
    trainer, _ = run(tmp_path / "before", 1)
    checkpoint = Path(trainer.checkpoint_callback.best_model_path).relative_to(tmp_path / "before")
    (tmp_path / "before").rename(tmp_path / "after")
    _, resumed = run(tmp_path / "after", 3, tmp_path / "after" / checkpoint)
    assert whole.seen[1:] == resumed.seen
    shutil.rmtree(tmp_path / "after" / "buffer")
    trainer = Trainer(accelerator="cpu", logger=False, enable_progress_bar=False, default_root_dir=tmp_path / "other")
    trainer.validate(Recorder(), datamodule=module(), ckpt_path=tmp_path / "after" / checkpoint)
    assert not (tmp_path / "other" / "buffer").exists()
    with pytest.raises(FileNotFoundError, match=r"file 000000-\w+.pt is missing, looked for in .*after/buffer"):
        run(tmp_path / "after", 3, tmp_path / "after" / checkpoint)


def test_collected_data_trains(chase_root, tmp_path):
    data = TrajectoryDataModule(["chase-v0"], str(chase_root), validation_steps=2, batch_size=16)
    model = Recorder()
    fit(model, data, tmp_path, 1)
    assert len(model.seen[0]) > 50


def test_hyperparameters_do_not_collide_with_a_modules(module, stored, ladder, tmp_path):
    stored(ladder(*[5] * 4))

    class Named(Recorder):
        def __init__(self, seed=99, batch_size=7):
            super().__init__()
            self.save_hyperparameters()

    from lightning.pytorch.loggers import CSVLogger

    fit(Named(), module(), tmp_path, 1, logger=CSVLogger(tmp_path))


# ---------------------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"datasets": []}, "datasets must name at least one dataset, and none twice"),
        ({"datasets": ["a-v0", "a-v0"]}, "none twice"),
        ({"datasets": {"a-v0": 0.0}}, "the weight of the dataset a-v0 must be positive, got 0.0; leave it out"),
        ({"datasets": {"a-v0": -1.0}}, "must be positive, got -1.0"),
        ({"datasets": {"a-v0": float("nan")}}, "must be positive, got nan"),
        ({"batch_size": 0}, "batch_size must be at least 1, got 0"),
        ({"steps": 0}, "steps must be at least 1, got 0"),
        ({"validation_steps": 0}, "validation_steps must be at least 1, got 0"),
        ({"samples_per_epoch": 0}, "samples_per_epoch must be at least 1, got 0"),
        ({"buffer_capacity": 0}, "buffer_capacity must be at least 1, got 0"),
        ({"seed": -1}, "seed must not be negative, got -1"),
        ({"num_workers": -1}, "num_workers must not be negative, got -1"),
        ({"history": 0}, "history must be at least 1, got 0"),
        ({"action_block": 0}, "action_block must be at least 1, got 0"),
        ({"hold_steps": -1}, "hold_steps must not be negative, got -1"),
        ({"validation_fraction": 0.0}, "validation_fraction must lie between 0 and 1, both excluded, got 0.0"),
        ({"validation_fraction": 1.0}, "validation_fraction must lie between 0 and 1"),
        ({"online_fraction": 1.5}, r"online_fraction must lie in 0..1, got 1.5"),
    ],
)
def test_numbers_out_of_range_are_refused_at_once(changes, message):
    with pytest.raises(ValueError, match=message):
        TrajectoryDataModule(**({"datasets": ["toy-v0"]} | changes))


def test_observations_that_the_datasets_lack_are_refused_by_name(module, stored, ladder):
    stored(ladder(3, 3, 3, 3))
    message = "needs the observations pixels, the datasets have achieved_goal, desired_goal, observation; collect them"
    with pytest.raises(ValueError, match=message):
        trained_by(module(), Module(keys=("observation", "pixels")))
    with pytest.raises(ValueError, match=message):
        module(keys=["pixels"])


def test_a_history_longer_than_any_episode_is_refused(module, stored, ladder):
    stored(ladder(3, 3, 3, 3))
    with pytest.raises(ValueError, match=r"has the 4 steps of a window \(history 4 - 1 \+ steps 1, of 1 each\)"):
        trained_by(module(), Module(history=4))


def test_errors_of_the_reader_reach_the_user(module):
    with pytest.raises(FileNotFoundError, match="there is no dataset toy-v0"):
        module()
