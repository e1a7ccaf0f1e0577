"""Speed of Lightning's training on the data module relative to a bare PyTorch loop.

The same model (a residual MLP 2x128 on DoorWall states), the same loss and the same fused Adam, trained for the same
number of batches of the same episodes:

- ``bare``: a hand-written loop over the data module's batches;
- ``trainer``: ``Trainer.fit`` with ``WorldModelModule`` over them, without logger, checkpoints, progress bar and
  validation, which the hand-written loops do not have;
- ``trainer_unlogged``: the same without ``self.log``, to separate its cost from the Trainer's;
- ``trainer_full``: the same with TensorBoard, a checkpoint and a validation every epoch, and the progress bar;
- ``indexed``: a hand-written loop that indexes three tensors (state, action, next state) by a permutation;
- ``tensor_dataset``: a hand-written loop over ``DataLoader(TensorDataset(...), shuffle=True)``.

Runs are interleaved and ratios taken within a round, so that a busy machine slows all of them alike. For the same
reason everything runs in one thread, and the clock counts the process's own CPU time.

    python benchmarks/training_throughput.py            # prints the table and writes it beside this file
"""

import argparse
import logging
import os
import platform
import statistics
import subprocess
import tempfile
import warnings
from functools import partial
from pathlib import Path
from time import process_time as clock

import torch
from lightning.pytorch import Callback, Trainer
from torch.utils.data import DataLoader, TensorDataset
from tqdm import tqdm

from gbplan.data import TrajectoryDataModule, collect
from gbplan.envs.door_wall import DoorWallExpert
from gbplan.modules import WorldModelModule
from gbplan.networks import IdentityEncoder, MLPPredictor, WorldModel

FUSED_ADAM = partial(torch.optim.Adam, lr=1e-3, fused=True)


class Stopwatch(Callback):
    """CPU seconds between the first batch and the end of the last epoch: what the hand-written loops do, no more."""

    def on_train_start(self, trainer, module):  # noqa: D102
        self.started = clock()

    def on_train_end(self, trainer, module):  # noqa: D102
        self.seconds = clock() - self.started


def make_module(data: TrajectoryDataModule) -> WorldModelModule:
    torch.manual_seed(0)
    model = WorldModel(IdentityEncoder(2), MLPPredictor(2, 2, hidden_sizes=(128, 128)))
    frames = (batch["observation"] for batch in data.training_frames(["observation"]))
    model.normalizer.fit(frames, data.statistics.action_mean, data.statistics.action_std)
    return WorldModelModule(model, optimizer=FUSED_ADAM, validation_horizons=(5,))


def transitions(data: TrajectoryDataModule) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """All training transitions as separate tensors: state, action, next state."""
    dataset = data.train_dataloader().dataset
    batch = dataset.__getitems__(torch.arange(len(dataset)))
    states = batch["observations"]["observation"]
    return states[:, 0].contiguous(), batch["actions"][:, 0].contiguous(), states[:, 1].contiguous()


def step(module: WorldModelModule, optimizer: torch.optim.Optimizer, batch) -> None:
    optimizer.zero_grad()
    module.loss(batch).backward()
    optimizer.step()


def as_batch(state: torch.Tensor, action: torch.Tensor, following: torch.Tensor):
    return {"observations": {"observation": torch.stack([state, following], dim=1)}, "actions": action[:, None]}


def bare(data: TrajectoryDataModule, epochs: int) -> float:
    module = make_module(data)
    optimizer = FUSED_ADAM(module.parameters())
    started = clock()
    for epoch in range(epochs):
        loader = data.train_dataloader()
        loader.batch_sampler.sampler.set_epoch(epoch)
        for batch in loader:
            step(module, optimizer, batch)
    return clock() - started


def indexed(data: TrajectoryDataModule, epochs: int) -> float:
    module, tensors = make_module(data), transitions(data)
    optimizer = FUSED_ADAM(module.parameters())
    started = clock()
    for _ in range(epochs):
        for index in torch.randperm(len(tensors[0])).split(data.batch_size):
            step(module, optimizer, as_batch(*(tensor[index] for tensor in tensors)))
    return clock() - started


def tensor_dataset(data: TrajectoryDataModule, epochs: int) -> float:
    module = make_module(data)
    loader = DataLoader(TensorDataset(*transitions(data)), batch_size=data.batch_size, shuffle=True)
    optimizer = FUSED_ADAM(module.parameters())
    started = clock()
    for _ in range(epochs):
        for batch in loader:
            step(module, optimizer, as_batch(*batch))
    return clock() - started


def trainer(data: TrajectoryDataModule, epochs: int, full: bool = False, logged: bool = True) -> float:
    stopwatch, module = Stopwatch(), make_module(data)
    if not logged:
        module.log = lambda *args, **kwargs: None
    with tempfile.TemporaryDirectory() as folder:
        Trainer(
            accelerator="cpu",
            max_epochs=epochs,
            reload_dataloaders_every_n_epochs=1,
            default_root_dir=folder,
            callbacks=[stopwatch],
            logger=full,
            enable_checkpointing=full,
            enable_progress_bar=full,
            limit_val_batches=1.0 if full else 0,
            num_sanity_val_steps=0,
            enable_model_summary=False,
        ).fit(module, datamodule=data)
    return stopwatch.seconds


WAYS = {
    "bare": bare,
    "trainer": trainer,
    "trainer_unlogged": partial(trainer, logged=False),
    "trainer_full": partial(trainer, full=True),
    "indexed": indexed,
    "tensor_dataset": tensor_dataset,
}


def table(seconds: dict[str, list[float]], samples: int, settings: str) -> str:
    rounds = range(len(seconds["bare"]))

    def ratio(way: str, other: str) -> str:
        found = [seconds[other][i] / seconds[way][i] for i in rounds]
        return f"{statistics.median(found):.2f} ({min(found):.2f} to {max(found):.2f})"

    lines = [
        "# Training throughput",
        "",
        settings,
        "",
        "| way | transitions per CPU second, median | against bare | against TensorDataset |",
        "|---|---|---|---|",
    ]
    for way, times in seconds.items():
        rate = samples / statistics.median(times)
        lines.append(f"| {way} | {rate:,.0f} | {ratio(way, 'bare')} | {ratio(way, 'tensor_dataset')} |")
    lines += [
        "",
        "Ratios within a round: median (least to greatest). `trainer` is to reach 0.70 of `bare` and",
        "2.00 of `tensor_dataset`. What the ways are: see the script.",
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--episodes", type=int, default=2000)
    parser.add_argument("--epochs", type=int, default=6, help="per run")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--batch-size", type=int, default=1024)
    parser.add_argument("--output", type=Path, default=Path(__file__).with_suffix(".md"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore")

    with tempfile.TemporaryDirectory() as root:
        collect("DoorWall-v0", "expert-v0", DoorWallExpert(), arguments.episodes, root=root)
        # The keys that the module needs, so that all ways are given the same batches.
        keys = ["observation", "achieved_goal"]
        data = TrajectoryDataModule(["expert-v0"], root, batch_size=arguments.batch_size, validation_steps=5, keys=keys)
        data.setup()
    seconds: dict[str, list[float]] = {way: [] for way in WAYS}
    for turn in tqdm(range(arguments.rounds + 1), desc="rounds"):
        for way, run in WAYS.items():
            taken = run(data, arguments.epochs)
            if turn:  # the first round warms up
                seconds[way].append(taken)
    samples = len(transitions(data)[0])
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    settings = (
        f"Command: `python benchmarks/training_throughput.py --episodes {arguments.episodes} "
        f"--epochs {arguments.epochs} --rounds {arguments.rounds} --batch-size {arguments.batch_size}`, "
        f"commit {commit.stdout.strip() or 'unknown'}. "
        f"{samples:,} transitions per epoch, "
        f"{os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f}, torch {torch.__version__}, "
        f"Python {platform.python_version()}."
    )
    text = table(seconds, samples * arguments.epochs, settings)
    arguments.output.write_text(text)
    print(text)


if __name__ == "__main__":
    main()
