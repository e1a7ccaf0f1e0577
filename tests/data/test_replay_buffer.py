from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gbplan.data import Trajectories
from gbplan.data import replay_buffer as module
from gbplan.data.processes import alone
from gbplan.data.replay_buffer import ReplayBuffer


def episodes(*lengths, first=0):
    """Episodes whose frames are numbered from ``first`` on."""
    count = sum(lengths) + len(lengths)
    place = np.arange(first, first + count)
    return Trajectories(
        observations={
            "observation": place[:, None].astype(np.float64),
            "pixels": np.zeros((count, 4, 4, 3), np.uint8),
            "desired_goal": np.repeat(np.arange(len(lengths)), np.array(lengths, np.int64) + 1)[:, None] + 0.5,
        },
        actions=place[:, None].astype(np.float32),
        rewards=place * 0.25,
        lengths=np.array(lengths, np.int64),
        terminated=np.arange(len(lengths)) % 2 == 0,
        infos={"distance": place * 2.0},
    )


def numbers(buffer):
    """The numbers of all frames that are sampled."""
    return [int(x) for frames in buffer.frames() for x in frames.take("observation", torch.arange(len(frames)))[:, 0]]


def placed(folder, capacity=7):
    buffer = ReplayBuffer(capacity)
    buffer.place(folder, alone)
    return buffer


def files(folder):
    return sorted(path.name[:6] for path in folder.iterdir())


def test_oldest_episodes_leave_first():
    buffer = ReplayBuffer(capacity=7)
    buffer.extend(episodes(3, 2))
    assert len(buffer) == 5
    buffer.extend(episodes(4, first=100))  # 3 + 2 + 4 > 7: the first leaves, 2 + 4 stay
    assert buffer.lengths.tolist() == [2, 4]
    assert numbers(buffer) == [4, 5, 6, 100, 101, 102, 103, 104]
    assert buffer.added == 9


def test_more_than_fits_at_once_keeps_the_newest():
    buffer = ReplayBuffer(capacity=4)
    buffer.extend(episodes(4, 1, 2))
    assert buffer.lengths.tolist() == [1, 2]
    assert numbers(buffer) == [5, 6, 7, 8, 9]


def test_a_short_old_episode_does_not_outlive_a_long_newer_one():
    buffer = ReplayBuffer(capacity=6)
    buffer.extend(episodes(1, 4, 4))
    assert buffer.lengths.tolist() == [4]


def test_nothing_added_changes_nothing():
    buffer = ReplayBuffer(capacity=6)
    buffer.extend(episodes(2))
    buffer.extend(episodes(2).select([]))
    assert buffer.lengths.tolist() == [2]
    assert ReplayBuffer(6).frames() == []


def test_an_episode_beyond_the_capacity_is_refused_and_nothing_lost():
    buffer = ReplayBuffer(capacity=6)
    buffer.extend(episodes(2))
    with pytest.raises(ValueError, match=r"episode of 7 steps does not fit .* of 6 .*raise buffer_capacity"):
        buffer.extend(episodes(1, 7))
    assert buffer.lengths.tolist() == [2]


@pytest.mark.parametrize("in_memory", [0, 2**20], ids=["mapped", "in memory"])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30, deadline=None)
@given(rounds=st.lists(st.lists(st.integers(1, 10), max_size=5), max_size=8), capacity=st.integers(10, 30))
def test_it_contains_the_longest_run_of_newest_episodes_that_fits(monkeypatch, in_memory, rounds, capacity):
    monkeypatch.setattr(module, "IN_MEMORY", in_memory)
    buffer, all_lengths, first = ReplayBuffer(capacity), [], 0
    for lengths in rounds:
        buffer.extend(episodes(*lengths, first=first))
        first += sum(lengths) + len(lengths)
        all_lengths += lengths
        kept = 0
        while kept < len(all_lengths) and sum(all_lengths[-kept - 1 :]) <= capacity:
            kept += 1
        expected = all_lengths[len(all_lengths) - kept :]
        assert buffer.lengths.tolist() == expected
        assert numbers(buffer) == list(range(first - sum(expected) - len(expected), first))
        assert len(buffer) == sum(expected) <= capacity
    assert buffer.added == sum(all_lengths)


def test_episodes_come_back_as_they_were_added():
    buffer = ReplayBuffer(capacity=7)
    added = episodes(2, 3)
    buffer.extend(added)
    (found,) = buffer.episodes()
    for mine, yours in ((added.observations, found.observations), (added.infos, found.infos)):
        assert list(mine) == list(yours)
        for key, array in mine.items():
            assert array.dtype == yours[key].dtype
            assert np.array_equal(array, yours[key])
    for name in ("actions", "rewards", "lengths", "terminated"):
        assert np.array_equal(getattr(added, name), getattr(found, name))
    buffer.extend(episodes(4, first=100))
    assert [part.lengths.tolist() for part in buffer.episodes()] == [[3], [4]]


def test_all_that_was_ever_added_comes_back_if_it_was_to_be_kept():
    buffer = ReplayBuffer(capacity=5)
    buffer.keep_all = True
    for first in (0, 100, 200):
        buffer.extend(episodes(2, 2, first=first))
    assert buffer.lengths.tolist() == [2, 2]
    assert numbers(buffer) == [200, 201, 202, 203, 204, 205]
    everything = Trajectories.concatenate(list(buffer.episodes(everything=True)))
    assert everything.actions[::3, 0].tolist() == [0, 3, 100, 103, 200, 203]


# --------------------------------------------------------------------------------------------------------- in files


def test_pictures_stay_in_their_files(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "IN_MEMORY", 0)
    buffer = placed(tmp_path)
    buffer.extend(episodes(2))
    address = buffer.frames()[0].columns["pixels"].data_ptr()
    for line in Path("/proc/self/maps").read_text().splitlines():
        span, *_, name = line.split()
        first, end = (int(number, 16) for number in span.split("-"))
        if first <= address < end:
            assert name.startswith(str(tmp_path))
            return
    pytest.fail("the column is nowhere")


def test_the_state_is_a_manifest_and_is_restored_from_the_files(tmp_path):
    buffer = placed(tmp_path / "run", capacity=9)
    for first in (0, 100):
        buffer.extend(episodes(2, 3, first=first))
    torch.save(buffer.state_dict(), tmp_path / "state.pt")
    assert (tmp_path / "state.pt").stat().st_size < 3000
    state = torch.load(tmp_path / "state.pt", weights_only=True)
    assert [each["transitions"] for each in state["segments"]] == [5, 5]
    restored = placed(tmp_path / "run", capacity=9)
    restored.load_state_dict(state)
    assert restored.state_dict() == buffer.state_dict()
    assert numbers(restored) == numbers(buffer) == [3, 4, 5, 6, 100, 101, 102, 103, 104, 105, 106]
    assert restored.added == 10


def test_files_beside_the_checkpoint_are_taken_along_to_another_folder(tmp_path):
    buffer = placed(tmp_path / "old")
    buffer.extend(episodes(2, 3))
    moved = placed(tmp_path / "new")
    moved.load_state_dict(buffer.state_dict(), [tmp_path / "elsewhere", tmp_path / "old"])
    assert numbers(moved) == numbers(buffer)
    assert files(tmp_path / "new") == ["000000"]
    moved.extend(episodes(2, first=100))
    assert files(tmp_path / "new") == ["000000", "000001"]
    assert files(tmp_path / "old") == ["000000"]


def test_what_was_added_without_a_run_comes_along_when_there_is_one(tmp_path):
    buffer = ReplayBuffer(7)
    buffer.extend(episodes(2))
    buffer.place(tmp_path, alone)
    assert files(tmp_path) == ["000000"]
    assert numbers(buffer) == [0, 1, 2]


def test_files_written_after_the_checkpoint_are_ignored_and_written_again(tmp_path):
    buffer = placed(tmp_path)
    buffer.extend(episodes(2))
    state = buffer.state_dict()
    buffer.extend(episodes(2, first=100))
    resumed = placed(tmp_path)
    resumed.load_state_dict(state)
    assert numbers(resumed) == [0, 1, 2]
    resumed.extend(episodes(2, first=100))
    assert resumed.state_dict() == buffer.state_dict()
    assert files(tmp_path) == ["000000", "000001"]


def test_a_file_is_removed_only_when_a_checkpoint_does_without_it(tmp_path):
    buffer = placed(tmp_path, capacity=2)
    buffer.extend(episodes(2))
    before = buffer.state_dict()
    buffer.extend(episodes(2))  # the first has left, but a run that dies now is resumed with it
    assert files(tmp_path) == ["000000", "000001"]
    placed(tmp_path, capacity=2).load_state_dict(before)
    buffer.state_dict()
    buffer.extend(episodes(2))
    assert files(tmp_path) == ["000001", "000002"]


def test_a_temporary_folder_contains_what_is_needed_and_is_removed_with_the_buffer():
    buffer = ReplayBuffer(2)
    for _ in range(3):
        buffer.extend(episodes(2))
    folder = buffer._folder
    assert files(folder) == ["000001", "000002"]
    del buffer
    assert not folder.exists()


def test_an_interrupted_write_leaves_nothing(tmp_path, monkeypatch):
    buffer = placed(tmp_path)

    def fail(*_):
        raise OSError("No space left on device")

    monkeypatch.setattr(torch, "save", fail)
    with pytest.raises(OSError, match="No space"):
        buffer.extend(episodes(2))
    assert list(tmp_path.iterdir()) == []
    assert len(buffer) == buffer.added == 0


@pytest.mark.parametrize(
    ("damage", "error", "message"),
    [
        (lambda path: path.unlink(), FileNotFoundError, r"buffer's file 000000-\w+.pt is missing, looked for in .*run"),
        (
            lambda path: path.write_bytes(path.read_bytes()[:-1]),
            ValueError,
            r"file .*000000-\w+.pt is damaged, its SHA",
        ),
    ],
    ids=["missing", "damaged"],
)
def test_a_missing_or_damaged_file_gets_one_line(tmp_path, damage, error, message):
    buffer = placed(tmp_path / "run")
    buffer.extend(episodes(2))
    damage(next((tmp_path / "run").iterdir()))
    with pytest.raises(error, match=message) as caught:
        placed(tmp_path / "run").load_state_dict(buffer.state_dict())
    assert "\n" not in str(caught.value)


def test_the_state_of_an_older_version_is_refused():
    with pytest.raises(ValueError, match=r"not a manifest of files .*: it is damaged or of an older version"):
        ReplayBuffer(6).load_state_dict({"frames": torch.zeros(3, 2), "lengths": torch.tensor([2]), "added": 2})
