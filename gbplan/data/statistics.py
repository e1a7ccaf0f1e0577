"""Means and standard deviations that a world model normalises with."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gbplan.data.frames import Frames
from gbplan.data.latents import LATENTS


@dataclass(frozen=True)
class Statistics:
    """Per-entry moments of the training episodes, in environment units, float32.

    The standard deviation of an entry that never changes is given as 1, so that dividing by it is safe.

    Attributes:
        observation_mean: over all frames, for each observation key, shape of one observation.
        observation_std: likewise.
        action_mean: over all actions taken, ``(A,)``.
        action_std: likewise.
    """

    observation_mean: dict[str, Tensor]
    observation_std: dict[str, Tensor]
    action_mean: Tensor
    action_std: Tensor


def statistics_of(parts: Sequence[tuple[Frames, Tensor]]) -> Statistics:
    """Moments of episodes, given as frames and which of their episodes; observations of uint8 are left out."""
    rows = [frames.rows_of(episodes) for frames, episodes in parts]

    def all_of(key: str) -> Tensor:
        return torch.cat([frames.take(key, each) for (frames, _), each in zip(parts, rows, strict=True)])

    vectors = {
        key: moments(all_of(key))
        for key, dtype in parts[0][0].dtypes.items()
        if dtype != torch.uint8 and key != LATENTS
    }
    actions = []
    for (frames, episodes), each in zip(parts, rows, strict=True):
        ends = frames.starts[episodes] + frames.lengths[episodes]  # an episode's last frame has no action
        actions.append(frames.actions[each[~torch.isin(each, ends)]])
    return Statistics(
        {key: mean for key, (mean, _) in vectors.items()},
        {key: std for key, (_, std) in vectors.items()},
        *moments(torch.cat(actions)),
    )


def moments(values: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation over the first axis; a deviation of zero, up to rounding, becomes 1."""
    values = values.double()
    mean = values.mean(0)
    std = values.std(0, correction=0)
    constant = std <= 1e-6 * (1e-6 + mean.abs())
    return mean.float(), torch.where(constant, 1.0, std).float()
