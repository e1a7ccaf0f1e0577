"""A dataset's frames, its split into training and validation episodes, and their windows."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from gbplan.data.dataset_reader import StoredDataset
from gbplan.data.frames import Frames
from gbplan.data.needs import Needs
from gbplan.data.windows import Windows


@dataclass(frozen=True)
class Part:
    """One dataset of a data module.

    Attributes:
        stored: the dataset on disk.
        frames: all its frames.
        training: its training episodes, ascending, int64.
        validation: its validation episodes, likewise: all others.
        hold_steps: environment steps added to the end of every episode, standing still.
    """

    stored: StoredDataset
    frames: Frames
    training: Tensor
    validation: Tensor
    hold_steps: int = 0

    @property
    def dataset_id(self) -> str:
        """The dataset's id."""
        return self.stored.info.dataset_id


def split(stored: StoredDataset, frames: Frames, validation_fraction: float, seed: int, hold_steps: int) -> Part:
    """Divide a dataset's episodes into training and validation by the seed; both keep the episodes' order.

    Args:
        stored: the dataset on disk.
        frames: all its frames.
        validation_fraction: share of the episodes for validation, between 0 and 1.
        seed: determines which episodes these are.
        hold_steps: environment steps added to the end of every episode, standing still.

    Raises:
        ValueError: one part would be empty.
    """
    episodes = len(frames.lengths)
    kept = round(validation_fraction * episodes)
    if not 0 < kept < episodes:
        raise ValueError(
            f"validation_fraction = {validation_fraction} of the {episodes} episodes of the dataset "
            f"{stored.info.dataset_id} leaves {kept} for validation and {episodes - kept} for training; both need at "
            "least one"
        )
    validation = np.zeros(episodes, np.bool_)
    validation[np.random.default_rng(seed).permutation(episodes)[:kept]] = True
    training, others = (torch.from_numpy(np.flatnonzero(mask)) for mask in (~validation, validation))
    return Part(stored, frames, training, others, hold_steps)


def training_windows(parts: Sequence[Part], steps: int, needs: Needs) -> list[Windows]:
    """Find all training windows of each dataset, one from every frame.

    Args:
        parts: the datasets.
        steps: model steps to predict in a window.
        needs: history and action block of the windows.

    Returns:
        The windows of each dataset.

    Raises:
        ValueError: a dataset has no window.
    """
    found = []
    for part in parts:
        windows = Windows.of(part.frames, needs.env_steps(steps), 1, part.training, part.hold_steps)
        if len(windows) == 0:
            longest = int(part.frames.lengths[part.training].max()) + part.hold_steps
            raise ValueError(
                f"no training episode of the dataset {part.dataset_id} has {_extent('steps', steps, needs)}, the "
                f"longest has {longest}; lower steps{_or_model(needs)}"
            )
        found.append(windows)
    return found


def validation_windows(parts: Sequence[Part], steps: int, needs: Needs) -> list[Windows]:
    """Find consecutive validation windows of each dataset, so that no step is predicted twice.

    Args:
        parts: the datasets.
        steps: model steps to predict in a window.
        needs: history and action block of the windows.

    Returns:
        The windows of each dataset.

    Raises:
        ValueError: no dataset has a window.
    """
    stride = needs.action_block * steps
    found = [
        Windows.of(part.frames, needs.env_steps(steps), stride, part.validation, part.hold_steps) for part in parts
    ]
    if not any(map(len, found)):
        lengths = torch.cat([part.frames.lengths[part.validation] + part.hold_steps for part in parts])
        longest = int(lengths.max())
        fit = longest // needs.action_block - needs.history + 1
        remedy = (
            "lower the model's history or action_block"
            if fit < 1
            else (
                f"set data.validation_steps to {fit} and model.validation_horizons to steps within it, "
                f"for example {sorted({1, (fit + 1) // 2, fit})}{_or_model(needs)}"
            )
        )
        raise ValueError(
            f"no validation episode has {_extent('validation_steps', steps, needs)}, the longest of {len(lengths)} "
            f"has {longest}; {remedy}"
        )
    return found


def _extent(name: str, steps: int, needs: Needs) -> str:
    """Describe a window's length."""
    if needs.history == needs.action_block == 1:
        return f"{name} = {steps} steps"
    return (
        f"the {needs.env_steps(steps)} steps of a window (history {needs.history} - 1 + {name} {steps}, of "
        f"{needs.action_block} each)"
    )


def _or_model(needs: Needs) -> str:
    return "" if needs.history == needs.action_block == 1 else ", or the model's history or action_block"
