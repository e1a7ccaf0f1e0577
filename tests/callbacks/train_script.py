"""A small online training as a program of its own, to be run by several processes or killed.

Arguments: folder, folder of datasets, epochs, devices, checkpoint to resume or ``-``, seconds to sleep in the rounds
after the first, and which training: ``plain``, ``adversarial`` with a validation by planning, ``mapped`` with all
data in mapped files, or ``every third`` with a checkpoint after every third step.
Writes what came of it to ``done-<rank>.pt``.
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

    def _draw(self, trainer, executed):
        print("in a round", flush=True)
        time.sleep(SLEEP if self.rounds > 1 else 0)


def firsts(trajectories):
    """First observations of episodes."""
    observed = trajectories.observations
    return [
        [*observed["observation"][start].tolist(), *observed["desired_goal"][start].tolist()]
        for start in trajectories.starts
    ]


def main():
    torch.manual_seed(0)
    agent = Agent(GradientPlanner(horizon=8, iterations=2, num_samples=4, restarts=1))
    world = {"max_episode_steps": 16}
    callback = Slow(agent, TaskSet(env_kwargs=world, count=5, split="training", seed=1), figure_tasks=0)
    validation = PlanningValidation(agent, TaskSet(env_kwargs=world, count=5, split="validation"), every_n_epochs=1)
    callback._configuration["class"] = "OnlineWorldModeling"
    model = WorldModel(IdentityEncoder(2, [0, 1]), MLPPredictor(2, 2, (16,)))
    data = TrajectoryDataModule(
        ["door-wall/tiny-v0"],
        ROOT,
        batch_size=64,
        samples_per_epoch=512,
        validation_steps=5,
        validation_fraction=0.2,
    )
    loop = L.Trainer(
        max_epochs=EPOCHS,
        default_root_dir=FOLDER,
        accelerator="cpu",
        devices=DEVICES,
        strategy="ddp" if DEVICES > 1 else "auto",
        reload_dataloaders_every_n_epochs=1,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[
            callback,
            *([validation] if ADVERSARIAL else []),
            ModelCheckpoint(FOLDER, save_last=True, enable_version_counter=False),
            *([ModelCheckpoint(FOLDER, "{step}", every_n_train_steps=3, save_top_k=-1)] if EVERY_THIRD else []),
        ],
    )
    module = WorldModelModule(model, validation_horizons=[5])
    if ADVERSARIAL:
        module = AdversarialWorldModelModule(model, FGSM(), validation_horizons=[5])
    own = {}  # what this process logs itself: Lightning's values are means over all
    log = module.log

    def record(name, value, **how):
        own[name] = float(value)
        log(name, value, **how)

    module.log = record
    loop.fit(module, datamodule=data, ckpt_path=RESUME)
    sampler = loop.train_dataloader.sampler if DEVICES > 1 else loop.train_dataloader.batch_sampler.sampler
    done = {
        "weights": {name: value.clone() for name, value in model.state_dict().items()},
        "buffer": data.buffer.state_dict(),
        "starts": [path for part in data.buffer.episodes() for path in firsts(part)],
        "lengths": data.buffer.lengths,
        "state": callback.state_dict(),
        "share": list(sampler),
        "whole": (sampler.epoch_sampler if DEVICES > 1 else sampler).indices(),
        "batches": loop.num_training_batches,
        "radii": [module.latent_radius, module.action_radius] if ADVERSARIAL else [],
        "logged": own,
    }
    torch.save(done, FOLDER / f"done-{loop.global_rank}.pt")


if __name__ == "__main__":
    FOLDER, ROOT = Path(sys.argv[1]), sys.argv[2]
    EPOCHS, DEVICES = int(sys.argv[3]), int(sys.argv[4])
    RESUME = None if sys.argv[5] == "-" else sys.argv[5]
    SLEEP = float(sys.argv[6])
    ADVERSARIAL = sys.argv[7] == "adversarial"
    EVERY_THIRD = sys.argv[7] == "every third"
    if sys.argv[7] == "mapped":
        dataset_frames.IN_MEMORY = replay_buffer.IN_MEMORY = windows.IN_MEMORY = 0
    torch.set_num_threads(1)
    main()
