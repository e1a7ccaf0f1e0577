"""Batches of state vectors, against a plain reading of what they were before frames lay in columns."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from gbplan.data import Trajectories, TrajectoryDataModule, dataset_frames, read_dataset, replay_buffer, windows
from gbplan.data.sampler import EpochSampler

SETTINGS = [
    pytest.param({}, 0, id="one step"),
    pytest.param({"steps": 4}, 0, id="four steps"),
    pytest.param({"online_fraction": 0.4, "samples_per_epoch": 500}, 3, id="with added episodes"),
    pytest.param({"steps": 6, "hold_steps": 6, "validation_steps": 6}, 0, id="held"),
    pytest.param({"buffer_capacity": 60, "steps": 2}, 5, id="with evicted episodes"),
]


def windows_of(parts: list[Trajectories], steps: int) -> list[tuple[Trajectories, int]]:
    """First frames of all windows, in the order of parts, episodes and time."""
    return [
        (part, frames.start + t)
        for part in parts
        for frames in part.episodes()
        for t in range(frames.stop - frames.start - steps)
    ]


def held(episodes: Trajectories, steps: int) -> Trajectories:
    """Every episode longer by ``steps`` steps without a change: its last frame again, and zero actions."""
    repeats = np.ones(len(episodes.actions), np.int64)
    repeats[episodes.starts + episodes.lengths] += steps
    index = np.repeat(np.arange(len(repeats)), repeats)
    return replace(
        episodes,
        observations={key: array[index] for key, array in episodes.observations.items()},
        actions=episodes.actions[index],
        rewards=episodes.rewards[index],
        lengths=episodes.lengths + steps,
        infos={key: array[index] for key, array in episodes.infos.items()},
    )


def expected_epoch(data, added: list[Trajectories], epoch: int):
    """The observations, goals and actions of every batch of an epoch, cut out one by one."""
    trajectories, _ = read_dataset(data.dataset_ids[0], data.root)
    kept = round(data.validation_fraction * len(trajectories))
    order = np.random.default_rng(data.seed).permutation(len(trajectories))
    training = trajectories.select(np.sort(order[kept:]))
    training = held(training, data.hold_steps)
    newest: list[Trajectories] = []
    for episode in [one.select([e]) for one in added for e in range(len(one))][::-1]:
        if sum(one.num_transitions for one in [*newest, episode]) > data.buffer_capacity:
            break
        newest.insert(0, episode)
    base, online = windows_of([training], data.steps), windows_of(newest, data.steps)
    total = data.samples_per_epoch or len(base)
    share = round(data.online_fraction * total) if online else 0
    sizes, draws = ([len(base), len(online)], [total - share, share]) if share else ([len(base)], [total])
    for indices in EpochSampler(sizes, draws, data.seed, epoch).indices().split(data.batch_size):
        chosen = [(base + online)[i] for i in indices]
        yield {
            **{
                key: np.stack([part.observations[key][f : f + data.steps + 1] for part, f in chosen])
                for key in trajectories.observations
            },
            "actions": np.stack([part.actions[f : f + data.steps] for part, f in chosen]),
        }


@pytest.mark.end_to_end
@pytest.mark.parametrize("in_memory", [64 * 2**20, 0], ids=["in memory", "mapped"])
@pytest.mark.parametrize(("settings", "additions"), SETTINGS)
def test_batches_of_an_epoch_are_equal_to_the_bit_and_in_the_same_order(
    dataset_root, tmp_path, monkeypatch, settings, additions, in_memory
):
    for module in (dataset_frames, replay_buffer, windows):
        monkeypatch.setattr(module, "IN_MEMORY", in_memory)
    arguments = {
        "batch_size": 64,
        "validation_steps": 5,
        "validation_fraction": 0.3,
        "cache_dir": str(tmp_path),
    } | settings
    data = TrajectoryDataModule(["door-wall/tiny-v0"], str(dataset_root), **arguments)
    data.setup()
    source, _ = read_dataset("door-wall/tiny-v0", dataset_root)
    added = [source.select([3 * i, 3 * i + 1]) for i in range(additions)]
    for trajectories in added:
        data.extend(trajectories)
    loader = data.train_dataloader()
    loader.batch_sampler.sampler.set_epoch(2)
    for batch, expected in zip(loader, expected_epoch(data, added, 2), strict=True):
        found = {**batch["observations"], "actions": batch["actions"]}
        assert found.keys() == expected.keys()
        for key, value in found.items():
            assert value.dtype == torch.float32
            assert np.array_equal(value.numpy(), expected[key]), key
