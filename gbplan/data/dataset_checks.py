"""Requirements on datasets and episodes that train one model together."""

from collections.abc import Sequence

import numpy as np
import torch

from gbplan.data.dataset_reader import DatasetInfo
from gbplan.data.frames import Frames
from gbplan.data.trajectories import Trajectories
from gbplan.seeds import HELD_OUT_SEEDS, TRAINING_SEEDS, VALIDATION_SEEDS

# Common names of environment arguments that change tasks or rendering, not the dynamics.
TASK_ARGUMENTS = ("task", "reward_type", "goal_threshold", "continuing_task", "max_episode_steps", "render_mode")


def require_trainable(infos: Sequence[DatasetInfo], may_differ: Sequence[str] = TASK_ARGUMENTS) -> None:
    """Check that datasets may train a model, and can train one model together.

    Args:
        infos: the datasets' descriptions.
        may_differ: names of the environment's arguments that may differ.

    Raises:
        ValueError: one contains tasks that select or judge models, or two cannot be mixed.
    """
    for info in infos:
        _require_training_tasks(info)
    for other in infos[1:]:
        _require_alike(infos[0], other)
        _require_same_arguments(infos[0], other, may_differ)


def require_pictures_in_range(dataset_id: str, frames: Frames) -> None:
    """Check that pictures use more of 0..255 than its two lowest numbers: a cast of 0..1 leaves a black picture.

    Raises:
        ValueError: those of the first frames do not.
    """
    first = torch.arange(min(len(frames), 64))
    for key, shape in frames.shapes.items():
        if frames.dtypes[key] == torch.uint8 and len(shape) == 3 and len(first) and frames.take(key, first).max() == 1:
            raise ValueError(
                f"the pictures {key!r} of the dataset {dataset_id} hold 0 and 1 only; were they numbers in 0..1? "
                "collect them again as uint8 in 0..255: (255 * x).round()"
            )


def require_same_columns(trajectories: Trajectories, info: DatasetInfo) -> None:
    """Check that trajectories have a dataset's observations and actions, and may join it in a training.

    Args:
        trajectories: episodes to add.
        info: description of the dataset.

    Raises:
        ValueError: other observations or actions, or an observation is a picture in one of the two only.
    """
    shapes = {key: array.shape[1:] for key, array in trajectories.observations.items()}
    if shapes != info.observation_shapes:
        raise ValueError(
            f"added trajectories must have the datasets' observations {info.observation_shapes}, got {shapes}"
        )
    if trajectories.actions.shape[1:] != info.action_space.shape:
        raise ValueError(
            f"added trajectories must have actions of shape {info.action_space.shape}, got "
            f"{trajectories.actions.shape[1:]}"
        )
    for key, array in trajectories.observations.items():
        declared = info.observation_space[key].dtype
        if (array.dtype == np.uint8) != (declared == np.uint8):
            raise ValueError(
                f"added trajectories have {key!r} as {array.dtype}, the datasets as {declared}; a picture must be "
                "uint8 in both or in neither"
            )


def _require_training_tasks(info: DatasetInfo) -> None:
    """Raise a ValueError if episodes have seeds of tasks that select or judge models; unrecorded seeds pass."""
    for seeds, use in ((VALIDATION_SEEDS, "choose models in training"), (HELD_OUT_SEEDS, "judge trained models")):
        count = sum(seed is not None and seeds.start <= seed < seeds.stop for seed in info.seeds)
        if count:
            raise ValueError(
                f"{count} of the {len(info.seeds)} episodes of the dataset {info.dataset_id} have seeds in "
                f"{seeds.start}..{seeds.stop - 1}, whose tasks {use}; collect them again with seeds below "
                f"{TRAINING_SEEDS.stop}, as `gbplan collect` does"
            )


def _require_alike(info: DatasetInfo, other: DatasetInfo) -> None:
    """Raise a ValueError if two datasets cannot train one model."""
    facts = [
        ("environment", info.env_spec and info.env_spec.id, other.env_spec and other.env_spec.id),
        ("observations", info.observation_shapes, other.observation_shapes),
        ("action space", info.action_space, other.action_space),
    ]
    for what, mine, yours in facts:
        if mine is not None and yours is not None and mine != yours:
            raise ValueError(
                f"the datasets {info.dataset_id} and {other.dataset_id} cannot be mixed: {what} {mine} against "
                f"{yours}; name datasets of one environment"
            )


def _require_same_arguments(info: DatasetInfo, other: DatasetInfo, may_differ: Sequence[str]) -> None:
    """Raise a ValueError if two datasets come from one environment id with different dynamics."""
    if info.env_spec is None or other.env_spec is None:
        return
    mine, yours = info.env_spec.kwargs, other.env_spec.kwargs
    absent = "not given"
    differing = [
        f"{name} {mine.get(name, absent)} against {yours.get(name, absent)}"
        for name in sorted({*mine, *yours} - {*may_differ})
        if mine.get(name, absent) != yours.get(name, absent)
    ]
    if differing:
        raise ValueError(
            f"the datasets {info.dataset_id} and {other.dataset_id} cannot be mixed, their {info.env_spec.id} was made "
            f"with different arguments: {', '.join(differing)}; collect one of them again, or add the arguments to "
            "may_differ if they do not change how it moves"
        )
