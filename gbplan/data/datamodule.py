"""The Lightning data module: batches of windows from datasets and collected episodes."""

import math
import warnings
import weakref
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import torch
from gymnasium.envs.registration import EnvSpec
from lightning.pytorch import LightningDataModule
from lightning.pytorch.trainer.states import TrainerFn
from lightning.pytorch.utilities import rank_zero_warn
from torch import Tensor
from torch.utils.data import DataLoader

from gbplan import checks
from gbplan.data.buffer_folder import buffer_folder, buffer_folders_near
from gbplan.data.dataset_cache import DatasetCache
from gbplan.data.dataset_checks import (
    TASK_ARGUMENTS,
    require_pictures_in_range,
    require_same_columns,
    require_trainable,
)
from gbplan.data.dataset_frames import is_small, read_frames
from gbplan.data.dataset_reader import StoredDataset, open_dataset
from gbplan.data.frames import Frames
from gbplan.data.latents import LATENTS, Encode, LatentColumn
from gbplan.data.needs import Needs, needs_of
from gbplan.data.parts import Part, split, training_windows, validation_windows
from gbplan.data.processes import once_of
from gbplan.data.replay_buffer import ReplayBuffer
from gbplan.data.sampler import EpochLoader, EpochSampler, RankSampler, TensorBatchSampler, shares
from gbplan.data.statistics import Statistics, statistics_of
from gbplan.data.trajectories import Trajectories
from gbplan.data.windows import Batch, WindowDataset, Windows, collate_windows, merge_small


class TrajectoryDataModule(LightningDataModule):
    """Windows of goal-conditioned episodes: Minari datasets on disk, and episodes added while training.

    Each of several trainings in a row begins without the episodes added in the one before.

    A batch is ``{"observations": {key: (B, T + 1, ...)}, "actions": (B, T, A')}`` in environment units, float32 except
    pictures, which stay uint8. T = ``history - 1 + steps`` model steps, of ``action_block`` = n environment steps each:
    frames are n steps apart, a row of actions has the n actions between two of them (A' = n * A), and windows begin at
    every frame from which they stay within their episode. Validation batches have ``validation_steps`` in place of
    ``steps``. A batch contains only the observations that the trained module needs.

    The windows of an epoch depend on (seed, epoch) and the data only, and the episodes added by ``extend`` are in files
    of the run's folder that the checkpoint names, so a resumed training continues exactly.

    Attributes (after ``setup``):
        env_spec: the environment of the datasets; None if no dataset recorded it.
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
        history: int | None = None,
        action_block: int | None = None,
        keys: list[str] | None = None,
        cache_dir: str | None = None,
    ) -> None:
        """Choose the data.

        Args:
            datasets: Minari ids; or ids with weights, which are proportional to the datasets' shares of the samples.
            root: folder of all datasets; null: Minari's own (``$MINARI_DATASETS_PATH``, else ``~/.minari/datasets``).
            batch_size: windows per batch, >= 1.
            steps: model steps to predict in a training window, >= 1; episodes too short for one are left out.
            validation_steps: model steps to predict in a validation window, >= 1; likewise.
            validation_fraction: share of each dataset's episodes reserved for validation, between 0 and 1.
            seed: determines the split and every epoch's order, >= 0.
            samples_per_epoch: windows per epoch, >= 1; null: the number of training windows in the datasets.
            buffer_capacity: upper limit of transitions in the replay buffer, >= 1; beyond it, the oldest episodes are
                dropped.
            online_fraction: share of each epoch's windows from the added episodes, once there are any, 0..1.
            num_workers: loader processes, >= 0; 0 is fastest for data in memory.
            hold_steps: environment steps added to the end of each episode of the datasets, >= 0: the last frame is
                repeated, with zero actions. For init networks, which must also predict actions after the
                arrival; a world model would learn from such steps that a zero action stops every motion.
            may_differ: arguments of the environment that may differ between the datasets, because they do not change
                its dynamics.
            history: frames K that a prediction starts from, >= 1; null: the trained model's.
            action_block: environment steps n in a model step, >= 1; null: the trained model's.
            keys: observations in a batch; null: those that the trained module needs.
            cache_dir: folder of cached files for datasets larger than 64 MiB, which are memory-mapped; null: ``cache``
                in each dataset's folder, or a temporary folder if that cannot be written.

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
            "history": 1 if history is None else history,
            "action_block": 1 if action_block is None else action_block,
        }
        for name, value in counts.items():
            if value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")
        for name, value in {"seed": seed, "num_workers": num_workers, "hold_steps": hold_steps}.items():
            if value < 0:
                raise ValueError(f"{name} must not be negative, got {value}")
        if keys is not None and not keys:
            raise ValueError("keys must name at least one observation, got none; null: those that the model reads")
        if not 0 < validation_fraction < 1:
            raise ValueError(f"validation_fraction must lie between 0 and 1, both excluded, got {validation_fraction}")
        checks.share(online_fraction=online_fraction)
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
        self.history = history
        self.action_block = action_block
        self.keys = keys
        self.cache_dir = cache_dir
        self._caches: dict[str, DatasetCache] = {}
        self._parts: list[Part] = []
        self._statistics: Statistics | None = None
        self._column: LatentColumn | None = None
        self._encoding_module: weakref.ref[Any] | None = None  # the module whose encoder made the column
        self._filling_trainer: weakref.ref[Any] | None = None  # the trainer whose episodes are in the buffer
        # History and action block, and the buffer's frames, for which the sources were made; and the sources.
        self._sources: tuple[tuple[int, int], list[Frames], tuple[list[Windows], list[int], int]] | None = None

    # ------------------------------------------------------------------------------------------------------- reading

    def setup(self, stage: str | None = None) -> None:
        """Read, check and split the datasets, once, and check that they have windows for the trained module.

        Raises:
            FileNotFoundError: a dataset does not exist.
            ValueError: a dataset cannot be used, or not together with the others, has too few or too short episodes,
                lacks an observation, or contains tasks that select or judge models.
        """
        if not self._parts:
            # Lightning recommends workers; with data in memory they only add copies.
            warnings.filterwarnings("ignore", ".*does not have many workers")
            self._read()
        elif stage == "fit" and self._filling_trainer is not None and self._filling_trainer() is not self.trainer:
            self.buffer, self._filling_trainer = ReplayBuffer(self.buffer_capacity), None  # another training's data
        needs = self._needs(validating=True)
        self._keys(needs)
        training_windows(self._parts, self.steps, needs)
        validation_windows(self._parts, self.validation_steps, needs)

    def _read(self) -> None:
        stored = [open_dataset(dataset_id, self.root) for dataset_id in self.dataset_ids]
        infos = [each.info for each in stored]
        require_trainable(infos, self.may_differ)
        if LATENTS in infos[0].observation_space.spaces:
            raise ValueError(
                f"the dataset {infos[0].dataset_id} has an observation {LATENTS!r}, the name that an encoder's output "
                "has in a batch; collect it with another name"
            )
        frames = [read_frames(each, None if is_small(each) else self._cache(each)) for each in stored]
        for dataset_id, each in zip(self.dataset_ids, frames, strict=True):
            require_pictures_in_range(dataset_id, each)
        parts = [
            split(each, part, self.validation_fraction, self.seed, self.hold_steps)
            for each, part in zip(stored, frames, strict=True)
        ]
        self.env_spec = next((info.env_spec for info in infos if info.env_spec is not None), None)
        self.observation_space = infos[0].observation_space
        self.action_space = infos[0].action_space
        self.buffer = ReplayBuffer(self.buffer_capacity)
        self._parts = parts

    def _cache(self, stored: StoredDataset) -> DatasetCache:
        """Return the cache of a dataset, and keep a reference: a temporary cache is removed with its object."""
        dataset_id = stored.info.dataset_id
        if dataset_id not in self._caches:
            self._caches[dataset_id] = DatasetCache(stored, self.cache_dir, once_of(self.trainer))
        return self._caches[dataset_id]

    def _require_setup(self) -> list[Part]:
        if not self._parts:
            raise RuntimeError("the data module has not read its datasets yet; call setup() first")
        return self._parts

    # ------------------------------------------------------------------------------------------------------- windows

    @property
    def _module(self) -> Any:
        """The trained module; None without one."""
        return getattr(self.trainer, "lightning_module", None)

    def _needs(self, validating: bool = False) -> Needs:
        """The trained module's needs, unless the arguments say otherwise."""
        asked = needs_of(self._module, validating)
        return Needs(
            asked.history if self.history is None else self.history,
            asked.action_block if self.action_block is None else self.action_block,
            asked.encoded if self.keys is None else self.keys,
            asked.other if self.keys is None else (),
        )

    def _keys(self, needs: Needs) -> list[str]:
        """Columns of a batch: observations in the datasets' order, then the encoder's output if it is cached."""
        there = list(self.observation_shapes)
        wanted = there if needs.keys is None else needs.keys
        self._require_observations(wanted)
        if self._column is None or self._encoding_module != _reference(self._module):
            return [key for key in there if key in wanted]
        encoded = set(self._column.keys) - set(needs.other)
        return [*(key for key in there if key in wanted and key not in encoded), LATENTS]

    def _require_observations(self, keys: Sequence[str]) -> None:
        there = self.observation_shapes
        absent = [key for key in keys if key not in there]
        if absent:
            raise ValueError(
                f"the training needs the observations {', '.join(absent)}, the datasets have {', '.join(there)}; "
                "collect them again in an environment that has these, or choose another encoder"
            )

    def _training_sources(self, needs: Needs) -> tuple[list[Windows], list[int], int]:
        """Return an epoch's windows by source, and the number of windows of each dataset and of the replay buffer."""
        frames = self.buffer.frames()
        asked = (needs.history, needs.action_block)
        if self._sources is None or self._sources[0] != asked or self._sources[1] is not frames:
            windows = training_windows(self._require_setup(), self.steps, needs)
            added = [found for each in frames if len(found := Windows.of(each, needs.env_steps(self.steps)))]
            counts = [len(each) for each in windows], sum(map(len, added))
            self._sources = (asked, frames, (merge_small([*windows, *added]), *counts))
        return self._sources[2]

    # --------------------------------------------------------------------------------------------------------- facts

    @property
    def statistics(self) -> Statistics:
        """Moments of the datasets' training episodes, without weights; added episodes do not change them."""
        parts = self._require_setup()
        if self._statistics is None:
            self._statistics = statistics_of([(part.frames, part.training) for part in parts])
        return self._statistics

    def training_frames(self, keys: Sequence[str], batch_size: int | None = None) -> Iterator[dict[str, Tensor]]:
        """Iterate over all frames of the datasets' training episodes, in order, without the steps of ``hold_steps``.

        Args:
            keys: observations to return.
            batch_size: most frames at once; None: as many as take some 4 MiB, at most 65,536.

        Yields:
            Observations ``(b, ...)`` by key, b <= ``batch_size``.
        """
        for part in self._require_setup():
            size = batch_size or part.frames.rows_within(4 * 2**20, keys, 65_536)
            for rows in part.frames.rows_of(part.training).split(size):
                yield {key: part.frames.take(key, rows) for key in keys}

    @property
    def observation_shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of one observation, per key."""
        shapes = self._require_setup()[0].frames.shapes
        return {key: shape for key, shape in shapes.items() if key != LATENTS}

    @property
    def observation_dtypes(self) -> dict[str, torch.dtype]:
        """Type of an observation in a batch, per key: uint8 or float32."""
        return self._require_setup()[0].frames.dtypes

    @property
    def action_dim(self) -> int:
        """Dimensions A of the action of one environment step."""
        return self._require_setup()[0].frames.actions.shape[1]

    @property
    def goal_dim(self) -> int:
        """Numbers in a goal."""
        return math.prod(self.observation_shapes["desired_goal"])

    # ------------------------------------------------------------------------------------------------------- latents

    def cache_latents(
        self,
        encode: Encode,
        key: str,
        shape: Sequence[int],
        dtype: torch.dtype = torch.float32,
        batch_size: int = 256,
        keys: Sequence[str] | None = None,
    ) -> None:
        """Encode all frames once, and put the latents into the batches in place of the encoder's observations.

        For a frozen encoder. Call it in ``on_fit_start`` of the trained module, when new weights or those of a
        checkpoint are loaded and no loader has been made. From then on this module's batches have ``"latents"`` ``(B, T
        + 1, *D)``, float32, but no observations that only the encoder reads, and ``training_frames(["latents"])``
        returns the latents of the training episodes. Episodes that are added later are encoded when added. The latents
        are stored in the datasets' caches (see ``cache_dir``) and beside the replay buffer's files, and every training
        with the same encoder and dataset uses them again. With several processes, the first encodes and the others
        wait.

        Args:
            encode: maps observations ``(b, ...)`` by key, as they are stored and on the CPU, to latents ``(b, *D)``.
            key: identifies the encoder: a hash of its weights and of everything else that affects its output.
            shape: *D.
            dtype: type in the files, ``torch.float32`` or ``torch.float16``.
            batch_size: frames encoded at once, >= 1.
            keys: observations that ``encode`` reads; None: those of the trained module's encoder.

        Raises:
            RuntimeError: the datasets are not read yet.
            ValueError: an observation is missing, or the encoder's output has another shape or is not finite.
        """
        parts = self._require_setup()
        keys = needs_of(self._module).encoded if keys is None else keys
        if keys is None:
            raise ValueError("cache_latents cannot tell what the encoder of a trained module reads; pass keys")
        self._require_observations(keys)
        column = LatentColumn(encode, key, tuple(keys), tuple(shape), dtype, batch_size)
        shows = self.trainer is None or self.trainer.progress_bar_callback is not None
        self._parts = [
            replace(part, frames=column.from_cache(part.frames, self._cache(part.stored), shows)) for part in parts
        ]
        self.buffer.encode_with(column)
        self._column, self._sources = column, None
        self._encoding_module = _reference(self._module)

    # ----------------------------------------------------------------------------------------------------- extending

    def extend(self, trajectories: Trajectories) -> None:
        """Add true transitions to the replay buffer; the next epoch trains on them.

        Needs ``Trainer(reload_dataloaders_every_n_epochs=1)``. Call it in ``on_train_epoch_end``: the loader of an
        epoch is made before ``on_train_epoch_start``.

        Args:
            trajectories: episodes in the environment of the datasets.

        Raises:
            RuntimeError: the datasets are not read yet, or the trainer would never use the new episodes.
            ValueError: other observations or actions than the datasets', a NaN, or an episode longer than the buffer.
        """
        self._require_setup()
        training = self.trainer is not None and self.trainer.training
        if training and getattr(self.trainer, "reload_dataloaders_every_n_epochs", 1) < 1:
            raise RuntimeError(
                "the trainer makes its data loader only once, so it would never train on added episodes; "
                "give it reload_dataloaders_every_n_epochs=1"
            )
        self.require_fitting(trajectories)
        trajectories.require_finite("the data to add")
        self._place_buffer()
        if training:
            self._filling_trainer = weakref.ref(self.trainer)
        self.buffer.extend(trajectories)

    def require_fitting(self, trajectories: Trajectories) -> None:
        """Check that trajectories have the shapes of the datasets.

        Raises:
            RuntimeError: the datasets are not read yet.
            ValueError: other observations or actions.
        """
        require_same_columns(trajectories, self._require_setup()[0].stored.info)

    def _place_buffer(self) -> None:
        """Move the replay buffer into the run's folder, if there is one."""
        folder = buffer_folder(self.trainer)
        if folder is None:
            return
        try:
            self.buffer.place(folder, once_of(self.trainer))
        except PermissionError as error:
            rank_zero_warn(f"{error}; until then the replay buffer is temporary, and the run cannot be resumed")

    def state_dict(self) -> dict[str, Any]:
        """Return the replay buffer's manifest, for the checkpoint."""
        return {"buffer": self.buffer.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the replay buffer; Lightning calls this after ``setup``, also to validate, which needs none."""
        if self.trainer is not None and self.trainer.state.fn != TrainerFn.FITTING:
            return
        self._place_buffer()
        self._filling_trainer = None if self.trainer is None else weakref.ref(self.trainer)
        look_in = buffer_folders_near(getattr(self.trainer, "ckpt_path", None))
        like = self._require_setup()[0].frames
        manifest = state_dict.get("buffer") if isinstance(state_dict, dict) else state_dict
        self.buffer.load_state_dict(manifest, look_in, like)

    # ------------------------------------------------------------------------------------------------------- loading

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, dataloader_idx: int) -> Batch:
        """Move a batch to the device; a batch that is there already is returned as it is, which is cheaper."""
        if device.type == "cpu":
            return batch
        moved: Batch = super().transfer_batch_to_device(batch, device, dataloader_idx)
        return moved

    def train_dataloader(self) -> DataLoader[Batch]:
        """Make the loader of the current epoch, replay buffer included; each of several processes gets its share."""
        needs = self._needs()
        keys, steps = self._keys(needs), needs.history - 1 + self.steps
        sources, sizes, added = self._training_sources(needs)
        total = self.samples_per_epoch or sum(sizes)
        online = round(self.online_fraction * total) if added else 0
        if self.weights is None:
            sizes, draws = [sum(sizes)], [total - online]
        else:
            draws = shares(total - online, list(self.weights.values()))
        if online:
            sizes, draws = [*sizes, added], [*draws, online]
        epoch = self.trainer.current_epoch if self.trainer is not None else 0
        repeats = bool(getattr(self.trainer, "overfit_batches", 0))
        sampler = EpochSampler(sizes, draws, self.seed, epoch, repeats)
        how = self._how(WindowDataset(sources, keys, steps, needs.action_block))
        if self.trainer is not None and self.trainer.world_size > 1:
            # As a sampler, not inside a batch sampler, where Lightning would overlook it and insert its own.
            how |= {"sampler": RankSampler(sampler, self.trainer.world_size, self.trainer.global_rank)}
            return EpochLoader(**how, batch_size=self.batch_size)
        return EpochLoader(**how, batch_sampler=TensorBatchSampler(sampler, self.batch_size, drop_last=False))

    def val_dataloader(self) -> DataLoader[Batch]:
        """Make the loader of the validation windows, in a fixed order, with no step predicted twice."""
        needs = self._needs(validating=True)
        windows = WindowDataset(
            merge_small(validation_windows(self._require_setup(), self.validation_steps, needs)),
            self._keys(needs),
            needs.history - 1 + self.validation_steps,
            needs.action_block,
        )
        return DataLoader(**self._how(windows), batch_size=self.batch_size, shuffle=False)

    def _how(self, dataset: WindowDataset) -> dict[str, Any]:
        """Arguments that all loaders share."""
        # A separate generator: the loader draws a number for its workers at each start. From the global stream, this
        # would make a resumed run, with one start less, differ from an uninterrupted one.
        generator = torch.Generator().manual_seed(self.seed)
        return {
            "dataset": dataset,
            "collate_fn": collate_windows,
            "num_workers": self.num_workers,
            "generator": generator,
        }


def _reference(module: Any) -> weakref.ref[Any] | None:
    return None if module is None else weakref.ref(module)
