"""A run resumed from a checkpoint of any batch equals the one that was never stopped, bit for bit."""

import lightning as L
import pytest
import torch
from lightning.pytorch.callbacks import Callback, ModelCheckpoint

from gbplan.attacks import FGSM
from gbplan.callbacks import OnlineWorldModeling
from gbplan.data import TrajectoryDataModule
from gbplan.evaluation import TaskSet
from gbplan.modules import AdversarialWorldModelModule, WorldModelModule
from gbplan.networks import IdentityEncoder, MLPPredictor, WorldModel
from gbplan.planners import GradientPlanner
from gbplan.policies import Agent

pytestmark = pytest.mark.end_to_end

BATCHES = 5


class Losses(Callback):
    """The loss of every batch, and the logged loss of the epoch."""

    def __init__(self):
        self.seen, self.epochs = {}, {}

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        self.seen[trainer.current_epoch, batch_idx] = float(outputs["loss"])

    def on_train_end(self, trainer, pl_module):
        self.epochs = {name: float(value) for name, value in trainer.callback_metrics.items() if "seconds" not in name}


class SaveAtValidation(Callback):
    """Saves at every validation, in the middle of accumulating gradients too."""

    def __init__(self, folder):
        self.folder = folder

    def on_validation_end(self, trainer, pl_module):
        trainer.save_checkpoint(self.folder / f"{trainer.current_epoch}-{trainer.fit_loop.total_batch_idx}.ckpt")


def train(folder, root, epochs=2, kind="base", resume=None, checkpoint=None, data=None, seed=0, more=(), **trainer):
    torch.manual_seed(seed)
    model = WorldModel(IdentityEncoder(2, [0, 1]), MLPPredictor(2, 2, (16,)))
    usual = {"optimizer": lambda p: torch.optim.Adam(p, lr=1e-2), "validation_horizons": [5]}
    module = WorldModelModule(model, **usual)
    if kind == "adversarial":
        module = AdversarialWorldModelModule(model, FGSM(), **usual)
    losses = Losses()
    callbacks = [losses, *more]
    if kind == "online":
        tasks = TaskSet("DoorWall-v0", {"max_episode_steps": 16}, count=2, split="training", seed=1)
        planner = GradientPlanner(horizon=8, iterations=2, num_samples=4, restarts=1)
        callbacks.append(OnlineWorldModeling(Agent(planner), tasks, figure_tasks=0))
        trainer = {"reload_dataloaders_every_n_epochs": 1} | trainer
    if checkpoint == "validation":
        callbacks.append(SaveAtValidation(folder))
    else:
        callbacks.append(ModelCheckpoint(folder, "{epoch}-{step}", save_top_k=-1, **(checkpoint or EVERY_STEP)))
    settings = {"batch_size": 64, "samples_per_epoch": 64 * BATCHES - 10, "validation_steps": 5} | (data or {})
    loop = L.Trainer(
        max_epochs=epochs, callbacks=callbacks, default_root_dir=folder, accelerator="cpu", logger=False,
        enable_progress_bar=False, enable_model_summary=False, **({"num_sanity_val_steps": 0} | trainer),
    )  # fmt: skip
    datamodule = TrajectoryDataModule(["door-wall/tiny-v0"], str(root), validation_fraction=0.2, **settings)
    loop.fit(module, datamodule=datamodule, ckpt_path=resume)
    moments = [value for state in loop.optimizers[0].state_dict()["state"].values() for value in state.values()]
    return [*module.state_dict().values(), *moments], losses


def assert_same(one, two):
    (tensors, losses), (others, resumed) = one, two
    assert len(tensors) == len(others)
    assert all(torch.equal(a, b) for a, b in zip(tensors, others, strict=True))
    assert resumed.seen.items() <= losses.seen.items()  # the same batch at the same place
    assert resumed.epochs.items() <= losses.epochs.items()  # a validation right after the checkpoint is left out


EVERY_STEP = {"every_n_train_steps": 1}
AT_VALIDATION = "validation"
ACCUMULATE = {"accumulate_grad_batches": 3, "val_check_interval": 1}

slow = pytest.mark.slow
CASES = [
    pytest.param("base", {}, EVERY_STEP, {}, 10, id="base"),
    pytest.param("adversarial", {}, EVERY_STEP, {}, 10, id="adversarial", marks=slow),
    pytest.param("online", {}, EVERY_STEP, {}, 10, id="online", marks=slow),
    pytest.param("base", {"val_check_interval": 2}, AT_VALIDATION, {}, 4, id="base, at validation"),
    pytest.param("base", {"accumulate_grad_batches": 2}, EVERY_STEP, {}, 6, id="base, by two batches"),
    pytest.param("base", ACCUMULATE, AT_VALIDATION, {}, 10, id="base, while accumulating", marks=slow),
    pytest.param("adversarial", ACCUMULATE, AT_VALIDATION, {}, 10, id="adversarial, while accumulating", marks=slow),
    pytest.param("online", ACCUMULATE, AT_VALIDATION, {}, 10, id="online, while accumulating"),
    pytest.param("base", {"limit_train_batches": 3}, EVERY_STEP, {}, 6, id="base, part of an epoch"),
    pytest.param("online", {}, EVERY_STEP, {"num_workers": 1}, 10, id="online, with a worker", marks=slow),
    pytest.param("base", {}, {"every_n_epochs": 1}, {"num_workers": 1}, 2, id="base, with a worker"),
]


@pytest.mark.parametrize(("kind", "trainer", "checkpoint", "data", "count"), CASES)
def test_run_resumed_from_any_checkpoint_equals_the_uninterrupted_one(
    dataset_root, tmp_path, kind, trainer, checkpoint, data, count
):
    how = {"kind": kind, "checkpoint": checkpoint, "data": data, **trainer}
    whole = train(tmp_path / "whole", dataset_root, **how)
    checkpoints = sorted((tmp_path / "whole").glob("*.ckpt"))
    assert len(checkpoints) == count
    for number, path in enumerate(checkpoints):
        loops = torch.load(path, weights_only=True)["loops"]["fit_loop"]
        last = loops["epoch_loop.batch_progress"]["is_last_batch"]
        if last and checkpoint is EVERY_STEP:
            with pytest.raises(ValueError, match="after the last batch of an epoch, but before what comes"):
                train(tmp_path / str(number), dataset_root, resume=path, **how)
        else:
            assert_same(whole, train(tmp_path / str(number), dataset_root, resume=path, seed=7, **how))


def test_checkpoint_without_its_accumulated_gradients_is_refused(dataset_root, tmp_path):
    how = {"checkpoint": AT_VALIDATION, **ACCUMULATE}
    train(tmp_path, dataset_root, epochs=1, **how)
    path = min(tmp_path.glob("*.ckpt"), key=lambda path: path.stat().st_mtime_ns)
    checkpoint = torch.load(path, weights_only=True)
    del checkpoint["gradients"]
    torch.save(checkpoint, path)
    with pytest.raises(ValueError, match="in the middle of accumulating gradients, and lacks those of"):
        train(tmp_path, dataset_root, epochs=1, resume=path, **how)


def test_checkpoint_of_the_middle_of_a_batch_is_refused(dataset_root, tmp_path):
    class Save(Callback):
        def on_before_backward(self, trainer, pl_module, loss):
            if trainer.global_step == 3:
                trainer.save_checkpoint(tmp_path / "within.ckpt")

    train(tmp_path, dataset_root, epochs=1, more=[Save()])
    with pytest.raises(ValueError, match="in the middle of a batch"):
        train(tmp_path, dataset_root, epochs=1, resume=tmp_path / "within.ckpt")
