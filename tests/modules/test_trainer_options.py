"""Lightning's options, with the modules and callbacks of this package."""

import shutil

import lightning as L
import pytest
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.tuner import Tuner
from torch.utils.data import DataLoader, Dataset

from gbplan.attacks import FGSM
from gbplan.callbacks import OnlineWorldModeling, PlanningValidation
from gbplan.data import TrajectoryDataModule, collate_windows
from gbplan.evaluation import TaskSet
from gbplan.modules import AdversarialWorldModelModule, WorldModelModule, world_model_weights
from gbplan.networks import IdentityEncoder, MLPPredictor, WorldModel
from gbplan.planners import CEMPlanner, GradientPlanner, GRASPPlanner, MPPIPlanner
from gbplan.policies import Agent

QUIET = {"accelerator": "cpu", "logger": False, "enable_progress_bar": False, "enable_model_summary": False}


class Losses(Callback):
    """Losses of each epoch's batches, and what is in them."""

    def __init__(self):
        self.epochs, self.seen = [], []

    def on_train_epoch_start(self, trainer, pl_module):
        self.epochs.append([])
        self.seen.append([])

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        self.epochs[-1].append(float(outputs["loss"]))
        self.seen[-1].append(batch["actions"].tolist())


@pytest.fixture
def data(dataset_root):
    return TrajectoryDataModule(
        ["door-wall/tiny-v0"], str(dataset_root), batch_size=64, validation_steps=5, validation_fraction=0.2
    )


def make_module(adversarial=False, lr=1e-2, seed=0):
    torch.manual_seed(seed)
    model = WorldModel(IdentityEncoder(2, [0, 1]), MLPPredictor(2, 2, (16,)))
    usual = {"optimizer": lambda p: torch.optim.Adam(p, lr=lr), "validation_horizons": [5]}
    return AdversarialWorldModelModule(model, FGSM(), **usual) if adversarial else WorldModelModule(model, **usual)


def online(planner=None):
    planner = planner or GradientPlanner(horizon=8, iterations=2, num_samples=4, restarts=1)
    tasks = TaskSet("DoorWall-v0", {"max_episode_steps": 12}, count=2, split="training", seed=1)
    return OnlineWorldModeling(Agent(planner), tasks, figure_tasks=0)


def fit(module, folder, datamodule, *callbacks, epochs=2, **trainer):
    settings = {"default_root_dir": folder, "enable_checkpointing": False, "reload_dataloaders_every_n_epochs": 1}
    loop = L.Trainer(max_epochs=epochs, callbacks=[*callbacks], **(QUIET | settings | trainer))
    loop.fit(module, datamodule=datamodule)
    return loop


@pytest.mark.parametrize("adversarial", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_overfit_batches_overfits(data, tmp_path, adversarial):
    losses = Losses()
    fit(make_module(adversarial), tmp_path, data, losses, overfit_batches=2, epochs=60)
    first = losses.seen[0]
    assert len(first) == 2
    assert first[0] != first[1]
    assert all(seen == first for seen in losses.seen)  # the same batches in the same order
    assert sum(losses.epochs[-1]) < 0.2 * sum(losses.epochs[0])


@pytest.mark.end_to_end
@pytest.mark.parametrize(
    "planner",
    [
        GradientPlanner(horizon=8, iterations=2, num_samples=4, restarts=1),
        CEMPlanner(horizon=8, iterations=2, num_samples=8, num_elites=2),
        MPPIPlanner(horizon=8, iterations=2, num_samples=8),
        GRASPPlanner(horizon=8, iterations=2),
    ],
    ids=lambda planner: type(planner).__name__,
)
@pytest.mark.parametrize("precision", ["bf16-true", pytest.param("64-true", marks=pytest.mark.slow)])
def test_other_precisions_train_online(data, tmp_path, planner, precision):
    callback, losses = online(planner), Losses()
    world = {"max_episode_steps": 12}
    tasks = TaskSet("DoorWall-v0", world, count=2, split="validation")
    validation = PlanningValidation(Agent(planner), tasks, 1)
    module = make_module(adversarial=True)
    loop = fit(module, tmp_path, data, callback, validation, losses, precision=precision)
    assert callback.rounds == 2
    assert {parameter.dtype for parameter in module.parameters()} == {
        torch.bfloat16 if precision == "bf16-true" else torch.float64
    }
    assert sum(losses.epochs[-1]) < 0.7 * sum(losses.epochs[0])
    assert all(torch.isfinite(value) for value in loop.callback_metrics.values())


compiler = pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a compiler")


@pytest.mark.end_to_end
@pytest.mark.parametrize("backend", ["eager", pytest.param("inductor", marks=[pytest.mark.slow, compiler])])
def test_predictor_compiled_in_place_trains_online_and_its_weights_keep_their_names(data, tmp_path, backend):
    module = make_module()
    module.world_model.predictor.compile(backend=backend)
    callback = online()
    loop = fit(module, tmp_path, data, callback)
    loop.save_checkpoint(tmp_path / "compiled.ckpt")
    weights = world_model_weights(tmp_path / "compiled.ckpt")
    plain = make_module(seed=1)
    assert weights.keys() == plain.world_model.state_dict().keys()
    assert callback.rounds == 2
    untouched = make_module()
    fit(untouched, tmp_path, data, online())
    for name, value in untouched.world_model.state_dict().items():
        torch.testing.assert_close(weights[name], value, rtol=1e-3, atol=1e-4)


@pytest.mark.end_to_end
def test_a_model_that_is_wrapped_by_the_compiler_is_refused(data, tmp_path):
    module = make_module()
    module.world_model = torch.compile(module.world_model)
    with pytest.raises(TypeError, match=r"world_model is wrapped by torch.compile.*world_model.predictor.compile\(\)"):
        fit(module, tmp_path, data, online())
    module = make_module()
    module.world_model.predictor = torch.compile(module.world_model.predictor)
    with pytest.raises(TypeError, match=r"^world_model.predictor is wrapped by torch.compile"):
        fit(module, tmp_path, data)


class Single(Dataset):
    """The windows of a dataset one at a time, as one's own datasets are."""

    def __init__(self, windows):
        self.windows = windows

    def __len__(self):
        return len(self.windows)

    def __getitem__(self, index):
        return self.windows[index]


@pytest.mark.end_to_end
@pytest.mark.parametrize("adversarial", [False, True])
@pytest.mark.parametrize("kind", [lambda windows: windows, Single], ids=["windows", "one at a time"])
def test_own_loaders_train(data, tmp_path, adversarial, kind):
    data.setup()
    how = {"batch_size": 64, "collate_fn": collate_windows}
    training = DataLoader(kind(data.train_dataloader().dataset), shuffle=True, **how)
    validation = DataLoader(kind(data.val_dataloader().dataset), **how)
    module, losses = make_module(adversarial), Losses()
    loop = L.Trainer(max_epochs=2, callbacks=[losses], default_root_dir=tmp_path, enable_checkpointing=False, **QUIET)
    with pytest.raises(ValueError, match="normalizer has not been fitted yet"):
        loop.fit(module, training, validation)
    frames = (batch["observation"] for batch in data.training_frames(["observation"]))
    module.world_model.normalizer.fit(frames, data.statistics.action_mean, data.statistics.action_std)
    loop.fit(module, training, validation)
    assert sum(losses.epochs[-1]) < 0.5 * sum(losses.epochs[0])
    assert torch.isfinite(loop.callback_metrics["val/loss"])


def test_learning_rate_finder_has_a_field_to_set(data, tmp_path):
    module = make_module()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    loop = L.Trainer(max_epochs=1, default_root_dir=tmp_path, **QUIET)
    found = Tuner(loop).lr_find(module, datamodule=data, num_training=30)
    assert module.lr == found.suggestion()
    assert all(torch.equal(value, module.state_dict()[name]) for name, value in before.items() if "predictor" in name)
    loop.fit(module, datamodule=data)
    assert loop.optimizers[0].param_groups[0]["lr"] == module.lr


def test_learning_rate_of_the_optimizer_counts_where_the_field_is_empty(data, tmp_path):
    module = make_module(lr=0.125)
    assert module.configure_optimizers().param_groups[0]["lr"] == 0.125
    module.lr = 0.5
    assert module.configure_optimizers().param_groups[0]["lr"] == 0.5
