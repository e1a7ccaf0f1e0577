"""Which windows an epoch trains on: a pure function of the seed and the epoch."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import BatchSampler, DistributedSampler, Sampler


class EpochSampler(Sampler[int]):
    """Draws a given number of indices from each of several sources, shuffled together.

    Indices of source i follow those of source i - 1. Within a source they are drawn without replacement; when more are
    asked for than there are, in passes: every index is drawn k or k + 1 times. With one source, and as many draws as
    indices, an epoch is a permutation.

    The draws depend on (seed, epoch) and nothing else, so a resumed training sees what an uninterrupted one sees.
    Lightning calls ``set_epoch`` before each epoch. The epoch is given at construction as well, because workers may
    fetch ahead of that call.
    """

    def __init__(self, sizes: Sequence[int], draws: Sequence[int], seed: int, epoch: int = 0) -> None:
        """Fix what is drawn.

        Args:
            sizes: number of indices of each source.
            draws: number of draws per epoch from each source.
            seed: first half of the key.
            epoch: second half of the key.

        Raises:
            ValueError: draws are asked of an empty source, or are negative.
        """
        for i, (size, number) in enumerate(zip(sizes, draws, strict=True)):
            if number < 0 or (number > 0 and size < 1):
                raise ValueError(f"cannot draw {number} samples from source {i}, which has {size}")
        self.sizes = list(sizes)
        self.draws = list(draws)
        self.seed = seed
        self.epoch = epoch

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch of the next iteration."""
        self.epoch = epoch

    def indices(self) -> Tensor:
        """Return the epoch's indices in order, ``(sum(draws),)`` int64."""
        key = np.random.SeedSequence((self.seed, self.epoch)).generate_state(1, np.uint64)
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

    def __len__(self) -> int:
        return sum(self.draws)

    def __iter__(self) -> Iterator[int]:
        return iter(self.indices().tolist())


class TensorBatchSampler(BatchSampler):
    """Yields each batch's indices as a tensor: a list of Python ints would cost more than cutting the batch.

    Takes any sampler, so that Lightning can put a distributed one in its place.
    """

    def __iter__(self) -> Iterator[Tensor]:  # type: ignore[override]
        sampler = self.sampler
        indices = sampler.indices() if isinstance(sampler, EpochSampler) else torch.tensor(list(sampler))
        for batch in indices.split(self.batch_size):
            if len(batch) == self.batch_size or not self.drop_last:
                yield batch


class RankSampler(DistributedSampler[int]):
    """One process's share of an epoch: shares are disjoint and of the same size, at most R - 1 indices are left out.

    A ``DistributedSampler``, because Lightning puts its own in the place of anything else, and that one would draw
    from all windows alike. Rank r of R takes the epoch's indices r, r + R, r + 2R, ...
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
        return iter(self.epoch_sampler.indices()[self.rank : self.total_size : self.num_replicas].tolist())
