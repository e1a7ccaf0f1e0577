"""Draws the windows of an epoch: a pure function of the seed and the epoch."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import BatchSampler, DataLoader, DistributedSampler, Sampler


def shares(total: int, weights: Sequence[float]) -> list[int]:
    """Divide the draws of an epoch among its sources.

    Args:
        total: number of draws.
        weights: weight of each source, > 0.

    Returns:
        Draws from each source, in proportion to its weight up to rounding; their sum is ``total``.
    """
    ends = [round(total * part / sum(weights)) for part in np.cumsum(weights)]
    return [end - start for start, end in zip([0, *ends[:-1]], ends, strict=True)]


class EpochSampler(Sampler[int]):
    """Draws a given number of indices from each of several sources, shuffled together.

    Indices of source i follow those of source i - 1. Within a source they are drawn without replacement; if there are
    more draws than indices, in passes, so that every index is drawn k or k + 1 times. With one source, and as many
    draws as indices, an epoch is a permutation.

    The draws depend on (seed, epoch) and nothing else, so a resumed training draws the same windows as an uninterrupted
    one. Lightning calls ``set_epoch`` before each epoch.

    Attributes:
        epoch: second half of the key.
        repeats: whether every epoch repeats the first one, to overfit a model; otherwise false.
    """

    def __init__(
        self, sizes: Sequence[int], draws: Sequence[int], seed: int, epoch: int = 0, repeats: bool = False
    ) -> None:
        """Fix what is drawn.

        Args:
            sizes: number of indices of each source.
            draws: number of draws per epoch from each source.
            seed: first half of the key.
            epoch: second half of the key.
            repeats: whether every epoch draws the same as the first.

        Raises:
            ValueError: draws from an empty source, or a negative number of draws.
        """
        for i, (size, number) in enumerate(zip(sizes, draws, strict=True)):
            if number < 0 or (number > 0 and size < 1):
                raise ValueError(f"cannot draw {number} samples from source {i}, which has {size}")
        self.sizes = list(sizes)
        self.draws = list(draws)
        self.seed = seed
        self.epoch = epoch
        self.repeats = repeats
        self._begun = (epoch, 0)

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch of the next iteration."""
        self.epoch = epoch

    def go_on(self, epoch: int, drawn: int) -> None:
        """Begin this one epoch after its used indices: so many of each process's share."""
        self._begun = (epoch, drawn)

    @property
    def used(self) -> int:
        """Number of used indices in each process's share, after which this epoch begins."""
        epoch, drawn = self._begun
        return drawn if self.epoch == epoch else 0

    def indices(self) -> Tensor:
        """Return the whole epoch's indices in order, ``(sum(draws),)`` int64."""
        key = np.random.SeedSequence((self.seed, 0 if self.repeats else self.epoch)).generate_state(1, np.uint64)
        generator = torch.Generator().manual_seed(int(key[0]) >> 1)
        drawn = []
        for first, size, number in zip(np.cumsum([0, *self.sizes[:-1]]), self.sizes, self.draws, strict=True):
            while number > 0:
                drawn.append(int(first) + torch.randperm(size, generator=generator)[:number])
                number -= len(drawn[-1])
        if len(drawn) == 1:
            return drawn[0]
        together = torch.cat(drawn) if drawn else torch.empty(0, dtype=torch.int64)
        return together[torch.randperm(len(together), generator=generator)]

    def left(self) -> Tensor:
        """Return the epoch's indices that remain for a single process."""
        return self.indices()[self.used :]

    def __len__(self) -> int:
        return sum(self.draws)

    def __iter__(self) -> Iterator[int]:
        return iter(self.left().tolist())


class TensorBatchSampler(BatchSampler):
    """Yields each batch's indices as a tensor: a list of Python ints would cost more than cutting the batch.

    Accepts any sampler, so that Lightning can replace it with a distributed one.
    """

    def __iter__(self) -> Iterator[Tensor]:  # type: ignore[override]
        sampler = self.sampler
        indices = sampler.left() if isinstance(sampler, EpochSampler) else torch.tensor(list(sampler))
        for batch in indices.split(self.batch_size):
            if len(batch) == self.batch_size or not self.drop_last:
                yield batch


class RankSampler(DistributedSampler[int]):
    """One process's share of an epoch: shares are disjoint and of the same size, at most R - 1 indices are left out.

    A ``DistributedSampler``, because Lightning replaces every other sampler with its own, which would draw from all
    windows alike. Rank r of R takes the epoch's indices r, r + R, r + 2R, ...
    """

    def __init__(self, sampler: EpochSampler, num_replicas: int, rank: int) -> None:
        """Choose the share.

        Args:
            sampler: draws the whole epoch, the same in every process.
            num_replicas: number of processes R.
            rank: which of them this is, 0..R - 1.
        """
        super().__init__(sampler, num_replicas, rank, shuffle=False, drop_last=True)  # type: ignore[arg-type]
        self.epoch_sampler = sampler

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch of the next iteration."""
        self.epoch_sampler.set_epoch(epoch)

    def __iter__(self) -> Iterator[int]:
        share = self.epoch_sampler.indices()[self.rank : self.total_size : self.num_replicas]
        return iter(share[self.epoch_sampler.used :].tolist())


class EpochLoader(DataLoader[Any]):
    """Data loader that resumes an epoch at its next batch, after a checkpoint from the middle of the epoch.

    Lightning saves its state in the checkpoint. Its length stays that of the whole epoch, because Lightning counts
    batches of the whole epoch.
    """

    _delivered = (0, 0)
    """The epoch, and the number of its batches that were returned."""

    @property
    def epoch_sampler(self) -> EpochSampler | None:
        """The sampler of the indices, inside any wrapper; None if Lightning has replaced it."""
        sampler = getattr(self.batch_sampler, "sampler", None)
        sampler = sampler.epoch_sampler if isinstance(sampler, RankSampler) else sampler
        return sampler if isinstance(sampler, EpochSampler) else None

    def __iter__(self) -> Any:
        """Iterate over the rest of the epoch.

        A generator, which begins at the first batch: Lightning makes its iterator before it sets the epoch, and workers
        would fetch from another one.
        """
        sampler = self.epoch_sampler
        epoch, used = (0, 0) if sampler is None else (sampler.epoch, sampler.used // self._samples)
        for count, batch in enumerate(super().__iter__(), used + 1):
            self._delivered = (epoch, count)
            yield batch

    @property
    def _samples(self) -> int:
        size: int = self.batch_sampler.batch_size  # type: ignore[union-attr]
        return size

    def state_dict(self) -> dict[str, int]:
        """Return the epoch, and the number of its batches that were returned."""
        return dict(zip(("epoch", "batches"), self._delivered, strict=True))

    def load_state_dict(self, state_dict: dict[str, int]) -> None:
        """Begin the saved epoch after its saved number of batches.

        Raises:
            ValueError: the batches are not in an ``EpochSampler``'s order.
        """
        epoch, batches = state_dict["epoch"], state_dict["batches"]
        if self.epoch_sampler is None and batches % len(self):
            raise ValueError(
                f"the checkpoint was saved after {batches} of {len(self)} batches of an epoch that Lightning shuffles, "
                "which cannot be continued exactly; resume from one that was saved at the end of an epoch"
            )
        if self.epoch_sampler is not None:
            self.epoch_sampler.go_on(epoch, batches * self._samples)
        self._delivered = (epoch, batches)
