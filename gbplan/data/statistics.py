"""Means and standard deviations that a world model normalises with."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from gbplan.data.trajectories import Trajectories


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


def statistics_of(trajectories: Trajectories) -> Statistics:
    """Moments of all frames' observations, and of the actions taken."""
    acted = np.ones(len(trajectories.actions), np.bool_)
    acted[trajectories.starts + trajectories.lengths] = False  # an episode's last frame has no action
    observed = {key: moments(torch.from_numpy(array)) for key, array in trajectories.observations.items()}
    return Statistics(
        {key: mean for key, (mean, _) in observed.items()},
        {key: std for key, (_, std) in observed.items()},
        *moments(torch.from_numpy(trajectories.actions[acted])),
    )


def moments(values: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation over the first axis; a deviation of zero, up to rounding, becomes 1."""
    values = values.double()
    mean = values.mean(0)
    std = values.std(0, correction=0)
    constant = std <= 1e-6 * (1e-6 + mean.abs())
    return mean.float(), torch.where(constant, 1.0, std).float()
