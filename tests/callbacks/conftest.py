"""Two trainings: one in a world of two states, where all is known, and a small one in DoorWall."""

import lightning as L
import pytest
import torch
import two_states  # noqa: F401, registers the environments
from lightning.pytorch.callbacks import ModelCheckpoint

from gbplan.callbacks import OnlineWorldModeling
from gbplan.data import TrajectoryDataModule, collect
from gbplan.evaluation import TaskSet
from gbplan.modules import WorldModelModule
from gbplan.networks import IdentityEncoder, MLPPredictor, WorldModel
from gbplan.objectives import GoalMSE
from gbplan.planners import GradientPlanner
from gbplan.policies import Agent, RandomPolicy

QUIET = {"accelerator": "cpu", "logger": False, "enable_progress_bar": False, "enable_model_summary": False}


@pytest.fixture(scope="session")
def two_states_root(tmp_path_factory):
    root = tmp_path_factory.mktemp("two")
    collect("TwoStates-v0", "two/random-v0", RandomPolicy(), 20, num_envs=20, root=str(root), progress=False)
    return root


@pytest.fixture
def two_states_callback():
    """Make the callback for TwoStates-v0; the planner finds the best action exactly."""

    def make(kind=OnlineWorldModeling, tasks=None, **changes):
        planner = GradientPlanner(
            horizon=1, iterations=20, lr=0.5, num_samples=1, restarts=1, init_std=0.0, optimizer="adam"
        )
        given = {"env_id": "TwoStates-v0", "count": 6, "split": "training", "seed": 1} | (tasks or {})
        return kind(**({"agent": Agent(planner, GoalMSE()), "tasks": TaskSet(**given), "figure_tasks": 0} | changes))

    return make


@pytest.fixture
def two_states_fit(two_states_root, tmp_path):
    """Train a model that believes ``x' = x + a``, without changing it, and return trainer, module and data."""

    def fit(callback, epochs=2, data=None, **trainer):
        model = WorldModel(IdentityEncoder(1, [0]), MLPPredictor(1, 1, hidden_sizes=(), residual=True))
        with torch.no_grad():
            model.predictor.net[0].weight.copy_(torch.tensor([[0.0, 1.0]]))
            model.predictor.net[0].bias.zero_()
        model.normalizer.set(torch.zeros(1), torch.ones(1), torch.zeros(1), torch.ones(1))
        module = WorldModelModule(model, lambda p: torch.optim.SGD(p, lr=0.0), validation_horizons=[1])
        arguments = {"validation_steps": 1, "validation_fraction": 0.3, "batch_size": 8} | (data or {})
        datamodule = TrajectoryDataModule(["two/random-v0"], str(two_states_root), **arguments)
        settings = {"reload_dataloaders_every_n_epochs": 1, "default_root_dir": tmp_path, "enable_checkpointing": False}
        loop = L.Trainer(max_epochs=epochs, **(QUIET | {"callbacks": [callback]} | settings | trainer))
        loop.fit(module, datamodule=datamodule)
        return loop, module, datamodule

    return fit


@pytest.fixture
def door_wall_fit(dataset_root):
    """Train a small model of DoorWall-v0 with rounds of four tasks, and return trainer, module and data."""

    def fit(folder, epochs, ckpt_path=None, rounds=None, data=None, checkpoint=None, seed=0, more=(), **trainer):
        torch.manual_seed(seed)
        settings = {"agent": Agent(GradientPlanner(horizon=8, iterations=2, num_samples=4, restarts=1))}
        settings |= {"kinds": ["uniform", "detour"], "figure_tasks": 0} | (rounds or {})
        given = {"env_kwargs": {"max_episode_steps": 16}, "count": 2, "split": "training", "seed": 1}
        callback = OnlineWorldModeling(**(settings | {"tasks": TaskSet(**(given | settings.get("tasks", {})))}))
        model = WorldModel(IdentityEncoder(2, [0, 1]), MLPPredictor(2, 2, (16,)))
        module = WorldModelModule(model, lambda p: torch.optim.Adam(p, lr=1e-2), validation_horizons=[5])
        arguments = {"validation_steps": 5, "validation_fraction": 0.2, "batch_size": 128, "samples_per_epoch": 512}
        datamodule = TrajectoryDataModule(["door-wall/tiny-v0"], str(dataset_root), **(arguments | (data or {})))
        keep = ModelCheckpoint(folder, save_last=True, enable_version_counter=False, **(checkpoint or {}))
        usual = {"reload_dataloaders_every_n_epochs": 1, "default_root_dir": folder}
        loop = L.Trainer(max_epochs=epochs, callbacks=[callback, *more, keep], **(QUIET | usual | trainer))
        loop.fit(module, datamodule=datamodule, ckpt_path=ckpt_path)
        return loop, module, datamodule

    return fit
