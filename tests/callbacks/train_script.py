"""A small online training, which several processes can run together, or a process that is killed.

As a program: folder, folder of datasets, epochs, devices, checkpoint to resume or ``-``, seconds to sleep, training.
"""

import sys
import time
from pathlib import Path

import lightning as L
import torch
from lightning.pytorch.callbacks import ModelCheckpoint

from gbplan.attacks import FGSM
from gbplan.callbacks import OnlineWorldModeling, PlanningValidation
from gbplan.data import TrajectoryDataModule, dataset_frames, replay_buffer, windows
from gbplan.evaluation import TaskSet
from gbplan.modules import AdversarialWorldModelModule, WorldModelModule
from gbplan.networks import IdentityEncoder, MLPPredictor, WorldModel
from gbplan.planners import GradientPlanner
from gbplan.policies import Agent


class Slow(OnlineWorldModeling):
    """Says when it is within a round, and after the first stays there for a while."""

    sleep = 0.0

    def _draw(self, trainer, executed):
        print("in a round", flush=True)
        time.sleep(self.sleep if self.rounds > 1 else 0)


def firsts(trajectories):
    """First observations of episodes."""
    observed = trajectories.observations
    return [
        [*observed["observation"][start].tolist(), *observed["desired_goal"][start].tolist()]
        for start in trajectories.starts
    ]


def train(folder, root, epochs, devices=1, resume=None, sleep=0.0, training="plain"):
    """Train, and write the outcome to ``done-<rank>.pt`` in the folder.

    Args:
        folder: folder of the run.
        root: folder of datasets.
        epochs: number of epochs.
        devices: number of processes.
        resume: checkpoint to resume, or None.
        sleep: seconds to sleep in the rounds after the first.
        training: ``plain``, ``adversarial`` with a validation by planning, ``mapped`` with all data in mapped files, or
            ``every third`` with a checkpoint after every third step.
    """
    torch.manual_seed(0)
    agent = Agent(GradientPlanner(horizon=8, iterations=2, num_samples=4, restarts=1))
    world = {"max_episode_steps": 16}
    callback = Slow(agent, TaskSet(env_kwargs=world, count=5, split="training", seed=1), figure_tasks=0)
    validation = PlanningValidation(agent, TaskSet(env_kwargs=world, count=5, split="validation"), every_n_epochs=1)
    callback._configuration["class"] = "OnlineWorldModeling"
    callback.sleep = sleep
    model = WorldModel(IdentityEncoder(2, [0, 1]), MLPPredictor(2, 2, (16,)))
    data = TrajectoryDataModule(
        ["door-wall/tiny-v0"],
        str(root),
        batch_size=64,
        samples_per_epoch=512,
        validation_steps=5,
        validation_fraction=0.2,
    )
    every_third = training == "every third"
    loop = L.Trainer(
        max_epochs=epochs,
        default_root_dir=folder,
        accelerator="cpu",
        devices=devices,
        strategy="ddp" if devices > 1 else "auto",
        reload_dataloaders_every_n_epochs=1,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[
            callback,
            *([validation] if training == "adversarial" else []),
            ModelCheckpoint(folder, save_last=True, enable_version_counter=False),
            *([ModelCheckpoint(folder, "{step}", every_n_train_steps=3, save_top_k=-1)] if every_third else []),
        ],
    )
    module = WorldModelModule(model, validation_horizons=[5])
    if training == "adversarial":
        module = AdversarialWorldModelModule(model, FGSM(), validation_horizons=[5])
    own = {}  # what this process logs itself: Lightning's values are means over all
    log = module.log

    def record(name, value, **how):
        own[name] = float(value)
        log(name, value, **how)

    module.log = record
    loop.fit(module, datamodule=data, ckpt_path=resume)
    sampler = loop.train_dataloader.sampler if devices > 1 else loop.train_dataloader.batch_sampler.sampler
    done = {
        "weights": {name: value.clone() for name, value in model.state_dict().items()},
        "buffer": data.buffer.state_dict(),
        "starts": [path for part in data.buffer.episodes() for path in firsts(part)],
        "lengths": data.buffer.lengths,
        "state": callback.state_dict(),
        "share": list(sampler),
        "whole": (sampler.epoch_sampler if devices > 1 else sampler).indices(),
        "batches": loop.num_training_batches,
        "radii": [module.latent_radius, module.action_radius] if training == "adversarial" else [],
        "logged": own,
    }
    torch.save(done, folder / f"done-{loop.global_rank}.pt")


if __name__ == "__main__":
    folder, root, epochs, devices, resume, sleep, training = sys.argv[1:]
    if training == "mapped":
        dataset_frames.IN_MEMORY = replay_buffer.IN_MEMORY = windows.IN_MEMORY = 0
    torch.set_num_threads(1)
    resumed = None if resume == "-" else resume
    train(Path(folder), root, int(epochs), int(devices), resumed, float(sleep), training)
