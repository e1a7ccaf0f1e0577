"""A training on 100,000 transitions with two pictures each, as a program of its own, whose memory is measured.

Arguments: folder, folder of datasets, ``frozen`` or ``trained`` (what the encoder is). Writes what was measured to
``measured.json``, in bytes.
"""

import json
import resource
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import drift_env  # noqa: F401, registers the environments
import gymnasium as gym
import lightning as L
import numpy as np
import torch
from lightning.pytorch.callbacks import ModelCheckpoint

from gbplan.data import Trajectories, TrajectoryDataModule, write_dataset
from gbplan.modules import WorldModelModule
from gbplan.modules.regularizers import VICReg
from gbplan.networks import ConvEncoder, MLPPredictor, WorldModel

EPISODES, STEPS, AT_ONCE = 4_000, 25, 100


def episodes(number: int, count: int = AT_ONCE) -> Trajectories:
    """Episodes of a point that drifts, with noise for pictures."""
    random = np.random.default_rng(number)
    frames = count * (STEPS + 1)
    place = random.normal(size=(frames, 2)).astype(np.float32)
    goal = np.repeat(random.normal(size=(count, 2)).astype(np.float32), STEPS + 1, axis=0)
    actions = random.uniform(-1, 1, (frames, 2)).astype(np.float32)
    actions[STEPS :: STEPS + 1] = 0
    return Trajectories(
        observations={
            "observation": place,
            "achieved_goal": place,
            "desired_goal": goal,
            "pixels": random.integers(0, 256, (frames, 64, 64, 3), np.uint8),
            "desired_pixels": np.repeat(random.integers(0, 256, (count, 64, 64, 3), np.uint8), STEPS + 1, axis=0),
        },
        actions=actions,
        rewards=np.zeros(frames),
        lengths=np.full(count, STEPS),
        terminated=np.ones(count, np.bool_),
        infos={},
    )


class Parts(Sequence):
    """The dataset's episodes, made when read."""

    def __len__(self):
        return EPISODES // AT_ONCE

    def __getitem__(self, number):
        if number >= len(self):
            raise IndexError
        return episodes(number)


def write(root: Path) -> None:
    write_dataset(Parts(), "pictures-v0", gym.make("PictureDrift-v0").spec, root=root)


class Rounds(L.Callback):
    """Adds 5,000 transitions after every epoch."""

    def on_train_epoch_end(self, trainer, module):
        trainer.datamodule.extend(episodes(EPISODES + trainer.current_epoch, 200))


class Meter(threading.Thread):
    """Notes the most memory that is not backed by files."""

    def __init__(self):
        super().__init__(daemon=True)
        self.most = 0

    def run(self):
        while True:
            lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
            self.most = max(self.most, next(int(line.split()[1]) for line in lines if line.startswith("Anonymous:")))
            time.sleep(0.05)


def main(folder: Path, root: str, frozen: bool) -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    meter = Meter()
    meter.start()
    model = WorldModel(ConvEncoder(16, 64, width=4, frozen=frozen), MLPPredictor(16, 2))
    module = WorldModelModule(model, validation_horizons=[5], regularizer=None if frozen else VICReg(16, 2))
    data = TrajectoryDataModule(["pictures-v0"], root, batch_size=256, validation_steps=5, samples_per_epoch=20_000)
    L.Trainer(
        max_epochs=3,
        accelerator="cpu",
        reload_dataloaders_every_n_epochs=1,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=folder,
        callbacks=[Rounds(), ModelCheckpoint(folder, save_last=True)],
    ).fit(module, datamodule=data)
    measured = {
        "transitions": EPISODES * STEPS + len(data.buffer),
        "rss": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "anonymous": meter.most * 1024,
        "checkpoint": (folder / "last.ckpt").stat().st_size,
    }
    (folder / "measured.json").write_text(json.dumps(measured))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3] == "frozen")
