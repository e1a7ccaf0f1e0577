"""Datasets and collected episodes, as Lightning's batches."""

import math
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from gymnasium.envs.registration import EnvSpec
from lightning.pytorch import LightningDataModule
from torch.utils.data import DataLoader

from gbplan.data.dataset_reader import DatasetInfo, read_dataset
from gbplan.data.replay_buffer import ReplayBuffer
from gbplan.data.sampler import EpochSampler, RankSampler, TensorBatchSampler
from gbplan.data.statistics import Statistics, statistics_of
from gbplan.data.trajectories import Trajectories
from gbplan.data.windows import Batch, FrameLayout, WindowDataset, deliver, window_starts
from gbplan.seeds import HELD_OUT_SEEDS, TRAINING_SEEDS, VALIDATION_SEEDS

# Names that environments commonly give to arguments about what is asked and shown, not about how the world moves.
TASK_ARGUMENTS = ("task", "reward_type", "goal_threshold", "continuing_task", "max_episode_steps", "render_mode")


class TrajectoryDataModule(LightningDataModule):
    """Windows of goal-conditioned episodes: Minari datasets on disk, and episodes added while training.

    A batch is ``{"observations": {key: (B, steps + 1, ...)}, "actions": (B, steps, A)}``, float32, in environment
    units; ``actions[:, i]`` leads from frame i to frame i + 1, and a window never leaves its episode. Validation
    batches have ``validation_steps`` in place of ``steps``.

    Everything lies in memory. What an epoch draws depends on (seed, epoch) and the data only, and the episodes added by
    ``extend`` are part of the checkpoint, so a resumed training continues exactly.

    Attributes (after ``setup``):
        env_spec: the environment of the datasets; None if none of them recorded it.
        observation_space: of one environment, a Dict.
        action_space: of one environment, a Box.
        buffer: the episodes added by ``extend``.
    """

    env_spec: EnvSpec | None
    buffer: ReplayBuffer

    def __init__(
        self,
        datasets: list[str] | dict[str, float],
        root: str | None = None,
        batch_size: int = 1024,
        steps: int = 1,
        validation_steps: int = 25,
        validation_fraction: float = 0.1,
        seed: int = 0,
        samples_per_epoch: int | None = None,
        buffer_capacity: int = 100_000,
        online_fraction: float = 0.5,
        num_workers: int = 0,
        hold_steps: int = 0,
        may_differ: Sequence[str] = TASK_ARGUMENTS,
    ) -> None:
        """Choose the data.

        Args:
            datasets: Minari ids; or ids with weights, each dataset's share of the samples being its weight's share.
            root: folder of all datasets; None is Minari's own (``$MINARI_DATASETS_PATH``, else ``~/.minari/datasets``).
            batch_size: windows per batch.
            steps: environment steps per training window; shorter episodes are left out.
            validation_steps: environment steps per validation window; shorter validation episodes are left out.
            validation_fraction: share of each dataset's episodes that is kept for validation.
            seed: decides the split and every epoch's order.
            samples_per_epoch: windows per epoch; None: as many as the datasets have for training.
            buffer_capacity: transitions that ``extend`` keeps; beyond it the oldest episodes leave.
            online_fraction: share of each epoch drawn from the added episodes, once there are any.
            num_workers: loader processes; 0 is fastest for data in memory.
            hold_steps: steps by which each episode of the datasets goes on, standing still: its last frame again, and
                zero actions. For init networks, which have to say what comes after the arrival; a world model would
                learn from it that a zero action stops whatever moves.
            may_differ: arguments of the environment in which the datasets may differ, since they leave its dynamics as
                they are.

        Raises:
            ValueError: a number is out of its range.
        """
        super().__init__()
        weighted = isinstance(datasets, dict)
        weights = dict(datasets) if isinstance(datasets, dict) else dict.fromkeys(datasets, 1.0)
        if not weights or len(weights) != len(datasets):
            raise ValueError(f"datasets must name at least one dataset, and none twice, got {datasets}")
        for dataset_id, weight in weights.items():
            if not 0 < weight < math.inf:
                raise ValueError(
                    f"the weight of the dataset {dataset_id} must be positive, got {weight}; leave it out instead"
                )
        counts = {
            "batch_size": batch_size,
            "steps": steps,
            "validation_steps": validation_steps,
            "samples_per_epoch": 1 if samples_per_epoch is None else samples_per_epoch,
            "buffer_capacity": buffer_capacity,
        }
        for name, value in counts.items():
            if value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")
        for name, value in {"seed": seed, "num_workers": num_workers, "hold_steps": hold_steps}.items():
            if value < 0:
                raise ValueError(f"{name} must not be negative, got {value}")
        if not 0 < validation_fraction < 1:
            raise ValueError(f"validation_fraction must lie between 0 and 1, both excluded, got {validation_fraction}")
        if not 0 <= online_fraction <= 1:
            raise ValueError(f"online_fraction must lie in 0..1, got {online_fraction}")
        # logger=False: Lightning refuses to merge them with a module's of the same name.
        self.save_hyperparameters(logger=False)
        self.weights = weights if weighted else None
        self.dataset_ids = list(weights)
        self.root = root
        self.batch_size = batch_size
        self.steps = steps
        self.validation_steps = validation_steps
        self.validation_fraction = validation_fraction
        self.seed = seed
        self.samples_per_epoch = samples_per_epoch
        self.buffer_capacity = buffer_capacity
        self.online_fraction = online_fraction
        self.num_workers = num_workers
        self.hold_steps = hold_steps
        self.may_differ = may_differ
        self._layout: FrameLayout | None = None

    # ------------------------------------------------------------------------------------------------------- reading

    def setup(self, stage: str | None = None) -> None:
        """Read, check and split the datasets; the second call does nothing.

        Raises:
            FileNotFoundError: a dataset is not there.
            ValueError: a dataset cannot be used, or not together with the others, has too few or too short episodes,
                or holds tasks that select or judge models.
        """
        if self._layout is not None:
            return
        # Lightning recommends workers; for data in memory they only add copies.
        warnings.filterwarnings("ignore", ".*does not have many workers")
        read = [read_dataset(dataset_id, self.root, infos=False) for dataset_id in self.dataset_ids]
        for _, info in read:
            _require_training_tasks(info)
        first, info = read[0]
        for trajectories, other in read[1:]:
            _require_alike(first, info, trajectories, other)
            _require_same_arguments(info, other, self.may_differ)
        layout = FrameLayout(
            {key: array.shape[1:] for key, array in first.observations.items()}, first.actions.shape[1]
        )
        split = [
            self._split(trajectories, dataset_id)
            for (trajectories, _), dataset_id in zip(read, self.dataset_ids, strict=True)
        ]
        self._statistics = statistics_of(Trajectories.concatenate([train for train, _ in split]))
        split = [(train.held(self.hold_steps), kept.held(self.hold_steps)) for train, kept in split]
        training = [train for train, _ in split]
        together = Trajectories.concatenate(training)
        sizes = [len(window_starts(torch.from_numpy(part.lengths), self.steps)) for part in training]
        for dataset_id, part, size in zip(self.dataset_ids, training, sizes, strict=True):
            if size == 0:
                raise ValueError(
                    f"no training episode of the dataset {dataset_id} has steps = {self.steps} steps, the longest has "
                    f"{int(part.lengths.max())}; lower steps"
                )
        validation = Trajectories.concatenate([kept for _, kept in split])
        validation_starts = window_starts(
            torch.from_numpy(validation.lengths), self.validation_steps, stride=self.validation_steps
        )
        if len(validation_starts) == 0:
            raise ValueError(
                f"no validation episode has validation_steps = {self.validation_steps} steps, the longest of "
                f"{len(validation)} has {int(validation.lengths.max())}; lower validation_steps"
            )

        self.env_spec = next((other.env_spec for _, other in read if other.env_spec is not None), None)
        self.observation_space = info.observation_space
        self.action_space = info.action_space
        self._frames = layout.pack(together.observations, together.actions)
        self._starts = window_starts(torch.from_numpy(together.lengths), self.steps)
        self._sizes = sizes
        self._validation = WindowDataset(
            layout.pack(validation.observations, validation.actions), validation_starts, self.validation_steps, layout
        )
        self.buffer = ReplayBuffer(self.buffer_capacity, layout.width)
        self._layout = layout

    def _require_setup(self) -> FrameLayout:
        if self._layout is None:
            raise RuntimeError("the data module has not read its datasets yet; call setup() first")
        return self._layout

    def _split(self, trajectories: Trajectories, dataset_id: str) -> tuple[Trajectories, Trajectories]:
        """Divide episodes into training and validation, keyed by the seed, each in its old order."""
        episodes = len(trajectories)
        kept = round(self.validation_fraction * episodes)
        if not 0 < kept < episodes:
            raise ValueError(
                f"validation_fraction = {self.validation_fraction} of the {episodes} episodes of the dataset "
                f"{dataset_id} leaves {kept} for validation and {episodes - kept} for training; both need at least one"
            )
        validation = np.zeros(episodes, np.bool_)
        validation[np.random.default_rng(self.seed).permutation(episodes)[:kept]] = True
        return trajectories.select(np.flatnonzero(~validation)), trajectories.select(np.flatnonzero(validation))

    # --------------------------------------------------------------------------------------------------------- facts

    @property
    def layout(self) -> FrameLayout:
        """Shapes of observations and actions."""
        return self._require_setup()

    @property
    def statistics(self) -> Statistics:
        """Moments of the datasets' training episodes, unweighted; added episodes do not change them."""
        self._require_setup()
        return self._statistics

    @property
    def observation_shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of one observation, per key."""
        return dict(self.layout.observation_shapes)

    @property
    def observation_dtypes(self) -> dict[str, torch.dtype]:
        """Type of one observation, per key."""
        return dict.fromkeys(self.layout.observation_shapes, torch.float32)

    def training_frames(self, keys: Sequence[str], batch_size: int = 65_536) -> Iterator[dict[str, torch.Tensor]]:
        """Yield all frames of the datasets' training episodes, ``(F, ...)`` per key, in parts."""
        layout = self.layout
        for frames in self._frames.split(batch_size):
            observations, _ = layout.unpack(frames)
            yield {key: observations[key] for key in keys}

    @property
    def action_dim(self) -> int:
        """A."""
        return self.layout.action_dim

    @property
    def goal_dim(self) -> int:
        """Numbers in a goal."""
        return math.prod(self.layout.observation_shapes["desired_goal"])

    # ----------------------------------------------------------------------------------------------------- extending

    def extend(self, trajectories: Trajectories) -> None:
        """Add true transitions to the replay buffer; the next epoch trains on them.

        Needs ``Trainer(reload_dataloaders_every_n_epochs=1)``. Call it in ``on_train_epoch_end``: the loader of an
        epoch is made before ``on_train_epoch_start``.

        Args:
            trajectories: episodes in the environment of the datasets.

        Raises:
            RuntimeError: the datasets are not read yet, or the trainer would never look at the new episodes.
            ValueError: other observations or actions than the datasets', a NaN, or an episode longer than the buffer.
        """
        layout = self.layout
        training = self.trainer is not None and self.trainer.training
        if training and getattr(self.trainer, "reload_dataloaders_every_n_epochs", 1) < 1:
            raise RuntimeError(
                "the trainer makes its data loader only once, so it would never train on added episodes; "
                "give it reload_dataloaders_every_n_epochs=1"
            )
        self.require_fitting(trajectories)
        trajectories.require_finite("the data to add")
        frames = layout.pack(trajectories.observations, trajectories.actions)
        self.buffer.extend(frames, torch.from_numpy(trajectories.lengths))

    def require_fitting(self, trajectories: Trajectories) -> None:
        """Check that trajectories have the shapes of the datasets.

        Raises:
            RuntimeError: the datasets are not read yet.
            ValueError: other observations or actions.
        """
        layout = self.layout
        shapes = {key: array.shape[1:] for key, array in trajectories.observations.items()}
        if shapes != layout.observation_shapes:
            raise ValueError(
                f"added trajectories must have the datasets' observations {layout.observation_shapes}, got {shapes}"
            )
        if trajectories.actions.shape[1:] != (layout.action_dim,):
            raise ValueError(
                f"added trajectories must have actions of shape {(layout.action_dim,)}, "
                f"got {trajectories.actions.shape[1:]}"
            )

    def state_dict(self) -> dict[str, Any]:
        """Return the replay buffer, for the checkpoint."""
        return {"buffer": self.buffer.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the replay buffer; Lightning calls this after ``setup``."""
        self.buffer.load_state_dict(state_dict["buffer"])

    # ------------------------------------------------------------------------------------------------------- loading

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, dataloader_idx: int) -> Batch:
        """Move a batch to the device; one that is there already is passed on untouched, which is cheaper."""
        if device.type == "cpu":
            return batch
        moved: Batch = super().transfer_batch_to_device(batch, device, dataloader_idx)
        return moved

    def train_dataloader(self) -> DataLoader[Batch]:
        """Make the loader of the current epoch, replay buffer included; of several processes, each gets its share."""
        layout = self.layout
        total = self.samples_per_epoch or sum(self._sizes)
        frames, starts, sizes = self._frames, self._starts, list(self._sizes)
        online_starts = window_starts(self.buffer.lengths, self.steps)
        online = round(self.online_fraction * total) if len(online_starts) else 0
        if self.weights is None:
            sizes = [sum(sizes)]
            draws = [total - online]
        else:
            draws = _shares(total - online, list(self.weights.values()))
        if online:
            starts = torch.cat([starts, len(frames) + online_starts])
            frames = torch.cat([frames, self.buffer.frames])
            sizes, draws = [*sizes, len(online_starts)], [*draws, online]
        epoch = self.trainer.current_epoch if self.trainer is not None else 0
        sampler = EpochSampler(sizes, draws, self.seed, epoch)
        windows = WindowDataset(frames, starts, self.steps, layout)
        if self.trainer is not None and self.trainer.world_size > 1:
            # As a sampler, not within a batch sampler: there Lightning would overlook it and put its own in its place.
            share = RankSampler(sampler, self.trainer.world_size, self.trainer.global_rank)
            return self._loader(windows, sampler=share, batch_size=self.batch_size)
        return self._loader(windows, batch_sampler=TensorBatchSampler(sampler, self.batch_size, drop_last=False))

    def val_dataloader(self) -> DataLoader[Batch]:
        """Make the loader of the validation windows: a fixed order, no step twice."""
        self._require_setup()
        return self._loader(self._validation, batch_size=self.batch_size, shuffle=False)

    def _loader(self, dataset: WindowDataset, **how: Any) -> DataLoader[Batch]:
        # Its own generator: the loader draws a number for its workers at each start, and drawn from the global stream
        # that would make a resumed run, which starts its loader once less often, differ from an uninterrupted one.
        generator = torch.Generator().manual_seed(self.seed)
        return DataLoader(dataset, collate_fn=deliver, num_workers=self.num_workers, generator=generator, **how)


def _shares(total: int, weights: list[float]) -> list[int]:
    """Divide ``total`` by weight into whole numbers that add up to it."""
    ends = [round(total * part / sum(weights)) for part in np.cumsum(weights)]
    return [end - start for start, end in zip([0, *ends[:-1]], ends, strict=True)]


def _require_training_tasks(info: DatasetInfo) -> None:
    """Raise a ValueError if episodes have seeds of tasks that select or judge models; unrecorded seeds may be any."""
    for seeds, use in ((VALIDATION_SEEDS, "choose models in training"), (HELD_OUT_SEEDS, "judge trained models")):
        count = sum(seed is not None and seeds.start <= seed < seeds.stop for seed in info.seeds)
        if count:
            raise ValueError(
                f"{count} of the {len(info.seeds)} episodes of the dataset {info.dataset_id} have seeds in "
                f"{seeds.start}..{seeds.stop - 1}, whose tasks {use}; collect them again with seeds below "
                f"{TRAINING_SEEDS.stop}, as `gbplan collect` does"
            )


def _require_alike(first: Trajectories, info: DatasetInfo, second: Trajectories, other: DatasetInfo) -> None:
    """Raise a ValueError if two datasets cannot train one model."""
    facts = [
        (
            "environment",
            info.env_spec and info.env_spec.id,
            other.env_spec and other.env_spec.id,
        ),
        (
            "observations",
            {key: array.shape[1:] for key, array in first.observations.items()},
            {key: array.shape[1:] for key, array in second.observations.items()},
        ),
        ("action space", info.action_space, other.action_space),
    ]
    for what, mine, yours in facts:
        if mine is not None and yours is not None and mine != yours:
            raise ValueError(
                f"the datasets {info.dataset_id} and {other.dataset_id} cannot be mixed: {what} {mine} against "
                f"{yours}; name datasets of one environment"
            )


def _require_same_arguments(info: DatasetInfo, other: DatasetInfo, may_differ: Sequence[str]) -> None:
    """Raise a ValueError if two datasets were made in environments of one id that move differently."""
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
