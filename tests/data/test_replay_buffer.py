import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gbplan.data.replay_buffer import ReplayBuffer


def episodes(*lengths, first=0):
    frames = sum(lengths) + len(lengths)
    return torch.arange(first, first + frames, dtype=torch.float32)[:, None], torch.tensor(lengths, dtype=torch.int64)


def test_oldest_episodes_leave_first():
    buffer = ReplayBuffer(capacity=7, width=1)
    buffer.extend(*episodes(3, 2))
    assert len(buffer) == 5
    buffer.extend(*episodes(4, first=100))  # 3 + 2 + 4 > 7: the first leaves, 2 + 4 stay
    assert buffer.lengths.tolist() == [2, 4]
    assert buffer.frames[:, 0].tolist() == [4, 5, 6, 100, 101, 102, 103, 104]
    assert buffer.added == 9


def test_more_than_fits_at_once_keeps_the_newest():
    buffer = ReplayBuffer(capacity=4, width=1)
    buffer.extend(*episodes(4, 1, 2))
    assert buffer.lengths.tolist() == [1, 2]
    assert buffer.frames[:, 0].tolist() == [5, 6, 7, 8, 9]


def test_a_short_old_episode_does_not_outlive_a_long_newer_one():
    buffer = ReplayBuffer(capacity=6, width=1)
    buffer.extend(*episodes(1, 4, 4))
    assert buffer.lengths.tolist() == [4]


def test_nothing_added_changes_nothing():
    buffer = ReplayBuffer(capacity=6, width=1)
    buffer.extend(*episodes(2))
    buffer.extend(*episodes())
    assert buffer.lengths.tolist() == [2]


def test_an_episode_beyond_the_capacity_is_refused_and_nothing_lost():
    buffer = ReplayBuffer(capacity=6, width=1)
    buffer.extend(*episodes(2))
    with pytest.raises(ValueError, match=r"episode of 7 steps does not fit .* of 6 .*raise buffer_capacity"):
        buffer.extend(*episodes(1, 7))
    assert buffer.lengths.tolist() == [2]


@given(st.lists(st.lists(st.integers(1, 10), max_size=5), max_size=8), st.integers(10, 30))
def test_it_holds_the_longest_run_of_newest_episodes_that_fits(rounds, capacity):
    buffer, all_lengths, all_frames, first = ReplayBuffer(capacity, 1), [], [], 0
    for lengths in rounds:
        frames, steps = episodes(*lengths, first=first)
        first += len(frames)
        buffer.extend(frames, steps)
        all_lengths += lengths
        all_frames += frames[:, 0].tolist()
        kept = 0
        while kept < len(all_lengths) and sum(all_lengths[-kept - 1 :]) <= capacity:
            kept += 1
        expected = all_lengths[len(all_lengths) - kept :]
        assert buffer.lengths.tolist() == expected
        assert buffer.frames[:, 0].tolist() == all_frames[len(all_frames) - sum(expected) - len(expected) :]
        assert len(buffer) == sum(expected) <= capacity
    assert buffer.added == sum(all_lengths)


def test_state_survives_a_weights_only_file(tmp_path):
    buffer = ReplayBuffer(capacity=6, width=1)
    buffer.extend(*episodes(2, 3, 3))
    torch.save(buffer.state_dict(), tmp_path / "state.pt")
    restored = ReplayBuffer(capacity=6, width=1)
    restored.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    assert torch.equal(restored.frames, buffer.frames)
    assert torch.equal(restored.lengths, buffer.lengths)
    assert restored.added == 8


def test_frames_of_other_datasets_are_refused():
    with pytest.raises(ValueError, match="has frames of 1 numbers, the datasets' have 3; was it made with other"):
        ReplayBuffer(6, width=3).load_state_dict(ReplayBuffer(6, width=1).state_dict())
