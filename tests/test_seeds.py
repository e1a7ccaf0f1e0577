import pytest
from hypothesis import given
from hypothesis import strategies as st

from gbplan.seeds import (
    HELD_OUT_SEEDS,
    STREAM_LENGTH,
    TRAINING_SEEDS,
    VALIDATION_SEEDS,
    episode_seeds,
    policy_seeds,
)

SPANS = (TRAINING_SEEDS, VALIDATION_SEEDS, HELD_OUT_SEEDS)


def test_the_three_ranges_follow_each_other_without_meeting():
    assert TRAINING_SEEDS.stop == VALIDATION_SEEDS.start == 2**30
    assert VALIDATION_SEEDS.stop == HELD_OUT_SEEDS.start
    assert HELD_OUT_SEEDS.stop == 2**31


@given(st.sampled_from(SPANS), st.integers(0, 535), st.integers(1, 1000))
def test_seeds_are_distinct_and_stay_in_their_range(span, stream, count):
    seeds = episode_seeds(span, stream, count)
    assert len(set(seeds)) == count
    assert seeds[0] in span
    assert seeds[-1] in span


def test_the_last_stream_ends_within_the_range_and_the_next_one_is_refused():
    last = len(TRAINING_SEEDS) // STREAM_LENGTH - 1
    assert episode_seeds(TRAINING_SEEDS, last, STREAM_LENGTH)[-1] < 2**30
    with pytest.raises(ValueError, match=f"seed must lie in 0..{last} .*, got {last + 1}"):
        episode_seeds(TRAINING_SEEDS, last + 1, 1)


def test_streams_do_not_overlap():
    assert episode_seeds(TRAINING_SEEDS, 0, STREAM_LENGTH)[-1] + 1 == episode_seeds(TRAINING_SEEDS, 1, 1)[0]


def test_consecutive_calls_continue_a_stream():
    assert episode_seeds(TRAINING_SEEDS, 3, 4) + episode_seeds(TRAINING_SEEDS, 3, 2, start=4) == episode_seeds(
        TRAINING_SEEDS, 3, 6
    )


@pytest.mark.parametrize(("count", "start"), [(STREAM_LENGTH + 1, 0), (2, STREAM_LENGTH - 1), (-1, 0), (1, -1)])
def test_more_episodes_than_a_stream_has_are_refused(count, start):
    with pytest.raises(ValueError, match="a seed has 1000000 episodes, got episodes"):
        episode_seeds(TRAINING_SEEDS, 0, count, start)


def test_policy_seeds_depend_on_the_episode_alone_and_differ_from_its_own():
    seeds = list(range(50))
    derived = policy_seeds(seeds)
    assert derived[7:9] == policy_seeds([7, 8])
    assert len(set(derived)) == 50
    assert not set(derived) & set(seeds)
