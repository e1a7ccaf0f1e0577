import lightning as L
import pytest
import torch

from gbplan.data import TrajectoryDataModule
from gbplan.modules import WorldModelModule
from gbplan.networks import IdentityEncoder


@pytest.fixture
def fit_for_a_moment(dataset_root):
    """Train a model of DoorWall for two batches."""

    def fit(model, regularizer=None, **chosen):
        how = {"batch_size": 256, "validation_steps": 5} | chosen
        data = TrajectoryDataModule(["door-wall/tiny-v0"], str(dataset_root), **how)
        quiet = {
            "logger": False,
            "enable_progress_bar": False,
            "enable_model_summary": False,
            "enable_checkpointing": False,
        }
        trainer = L.Trainer(max_epochs=1, accelerator="cpu", limit_train_batches=2, **quiet)
        trainer.fit(WorldModelModule(model, validation_horizons=[5], regularizer=regularizer), datamodule=data)

    return fit


class Learned(IdentityEncoder):
    """A stretch that is trained; counts how often it encodes."""

    exact_goals = False

    def __init__(self):
        super().__init__(2)
        self.frozen, self.calls = False, 0
        self.stretch = torch.nn.Parameter(torch.ones(2))

    def encode(self, observations):
        self.calls += self.training
        return self.stretch * observations["observation"]


@pytest.fixture
def learned_encoder():
    return Learned()
