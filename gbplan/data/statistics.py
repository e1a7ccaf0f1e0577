"""Means and standard deviations of actions, with which a world model normalises."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gbplan.data.frames import Frames
from gbplan.networks.normalizer import Moments


@dataclass(frozen=True)
class Statistics:
    """Per-dimension moments of the actions taken in training episodes, of one environment step, float32.

    The standard deviation of a constant dimension is set to 1, so that division is safe. Moments of latents depend on
    the encoder: fit them to ``TrajectoryDataModule.training_frames``.

    Attributes:
        action_mean: ``(A,)``.
        action_std: ``(A,)``.
    """

    action_mean: Tensor
    action_std: Tensor


def statistics_of(parts: Sequence[tuple[Frames, Tensor]]) -> Statistics:
    """Moments of the actions taken in the selected episodes of some frames."""
    moments = Moments()
    for frames, episodes in parts:
        rows = frames.rows_of(episodes)
        ends = frames.starts[episodes] + frames.lengths[episodes]  # an episode's last frame has no action
        moments.add(frames.actions[rows[~torch.isin(rows, ends)]])
    return Statistics(*moments.compute())
