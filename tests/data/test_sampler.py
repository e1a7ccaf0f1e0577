from collections import Counter

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import SequentialSampler

from gbplan.data.sampler import EpochLoader, EpochSampler, RankSampler, TensorBatchSampler, shares

SEEDS = st.integers(0, 2**32)


@pytest.mark.parametrize(
    ("total", "weights", "expected"),
    [(100, [3.0, 1.0], [75, 25]), (10, [1.0, 1.0, 1.0], [3, 4, 3]), (1, [0.1, 0.9], [0, 1]), (0, [2.0], [0])],
)
def test_shares_are_in_proportion_and_add_up(total, weights, expected):
    assert shares(total, weights) == expected


@given(st.integers(1, 50), SEEDS, st.integers(0, 1000))
def test_an_epoch_over_one_source_contains_every_index_once(size, seed, epoch):
    sampler = EpochSampler([size], [size], seed, epoch)
    assert sorted(sampler) == list(range(size))
    assert len(sampler) == size


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(0, 40)), min_size=1, max_size=4), SEEDS)
def test_each_source_gives_its_draws_and_each_index_nearly_equally_often(sources, seed):
    sizes, draws = zip(*sources, strict=True)
    counted, first = Counter(EpochSampler(sizes, draws, seed)), 0
    assert sum(counted.values()) == sum(draws)
    for size, number in sources:
        times = [counted[i] for i in range(first, first + size)]
        assert sum(times) == number
        assert max(times) - min(times) <= 1
        first += size


@given(SEEDS, st.integers(0, 1000))
def test_order_depends_on_seed_and_epoch_only(seed, epoch):
    torch.rand(3)  # the global stream plays no part
    constructed = EpochSampler([30, 20], [25, 25], seed, epoch)
    told = EpochSampler([30, 20], [25, 25], seed)
    told.set_epoch(epoch)
    before = torch.get_rng_state()
    order = list(constructed)
    assert torch.equal(torch.get_rng_state(), before)
    assert order == list(told) == list(constructed)


def test_epochs_and_seeds_are_shuffled_differently_and_sources_mixed():
    orders = {
        tuple(EpochSampler([20, 20], [20, 20], seed, epoch)) for seed, epoch in [(0, 0), (0, 1), (1, 0), (5, 0), (0, 5)]
    }
    assert len(orders) == 5
    first_half = next(iter(orders))[:20]
    assert any(i < 20 for i in first_half)
    assert any(i >= 20 for i in first_half)


def test_drawing_from_an_empty_source_is_refused():
    with pytest.raises(ValueError, match="cannot draw 3 samples from source 1, which has 0"):
        EpochSampler([5, 0], [5, 3], 0)
    with pytest.raises(ValueError, match="cannot draw -1 samples"):
        EpochSampler([5], [-1], 0)
    assert sorted(EpochSampler([5, 0], [5, 0], 0)) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(("drop_last", "sizes"), [(False, [4, 4, 2]), (True, [4, 4])])
def test_batches_are_tensors_in_the_samplers_order(drop_last, sizes):
    sampler = EpochSampler([10], [10], 3)
    batches = TensorBatchSampler(sampler, 4, drop_last)
    found = list(batches)
    assert [len(batch) for batch in found] == sizes
    assert len(batches) == len(sizes)
    assert torch.cat(found).tolist() == list(sampler)[: sum(sizes)]


def test_batches_accept_any_sampler_in_place_of_ours():
    found = list(TensorBatchSampler(SequentialSampler(range(5)), 2, False))
    assert [batch.tolist() for batch in found] == [[0, 1], [2, 3], [4]]


@given(st.integers(1, 5), st.integers(5, 40), SEEDS)
def test_ranks_share_an_epoch_without_overlap_and_in_equal_parts(ranks, size, epoch):
    shares = [RankSampler(EpochSampler([size], [size], 0), ranks, rank) for rank in range(ranks)]
    for share in shares:
        share.set_epoch(epoch)
    drawn = [index for share in shares for index in share]
    assert len(drawn) == len(set(drawn)) > size - ranks
    assert {len(share) for share in shares} == {len(list(share)) for share in shares} == {size // ranks}
    whole = list(EpochSampler([size], [size], 0, epoch))
    assert list(shares[0]) == whole[::ranks][: size // ranks]


@settings(deadline=None)
@given(st.integers(1, 3), st.integers(0, 9))
def test_an_epoch_goes_on_behind_the_batches_that_were_delivered_and_the_next_is_whole(ranks, batches):
    def loader(rank):
        sampler = EpochSampler([40], [40], 0)
        dataset = torch.arange(40)
        if ranks == 1:
            return sampler, EpochLoader(dataset, batch_sampler=TensorBatchSampler(sampler, 4, False))
        return sampler, EpochLoader(dataset, sampler=RankSampler(sampler, ranks, rank), batch_size=4)

    for rank in range(ranks):
        sampler, whole = loader(rank)
        sampler.set_epoch(3)
        expected = [batch.flatten().tolist() for batch in whole]
        batches = min(batches, len(whole))
        delivered = iter(whole)
        for _ in range(batches):
            next(delivered)
        resumed_sampler, resumed = loader(rank)
        resumed.load_state_dict(whole.state_dict() if batches else {"epoch": 3, "batches": 0})
        resumed_sampler.set_epoch(3)
        assert [batch.flatten().tolist() for batch in resumed] == expected[batches:]
        assert len(resumed) == len(whole)
        for each in (sampler, resumed_sampler):
            each.set_epoch(4)
        assert [batch.tolist() for batch in resumed] == [batch.tolist() for batch in whole]


def test_a_sampler_that_repeats_itself_draws_the_first_epoch_again():
    sampler = EpochSampler([30], [20], 5, repeats=True)
    first = list(sampler)
    sampler.set_epoch(8)
    assert list(sampler) == first == list(EpochSampler([30], [20], 5))
