import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from gbplan.data.windows import FrameLayout, WindowDataset, window_starts

LENGTHS = st.lists(st.integers(1, 12), max_size=8)


def test_starts_by_hand():
    lengths = torch.tensor([3, 1, 4])  # frames 0..3, 4..5, 6..10
    assert window_starts(lengths, 1).tolist() == [0, 1, 2, 4, 6, 7, 8, 9]
    assert window_starts(lengths, 2).tolist() == [0, 1, 6, 7, 8]
    assert window_starts(lengths, 2, stride=2).tolist() == [0, 6, 8]
    assert window_starts(lengths, 4).tolist() == [6]
    assert window_starts(lengths, 5).tolist() == []
    assert window_starts(torch.empty(0, dtype=torch.int64), 1).tolist() == []


@given(LENGTHS, st.integers(1, 5), st.integers(1, 5))
def test_starts_equal_a_plain_enumeration(lengths, steps, stride):
    expected, first = [], 0
    for length in lengths:
        expected += [first + t for t in range(0, length - steps + 1, stride)]
        first += length + 1
    assert window_starts(torch.tensor(lengths, dtype=torch.int64), steps, stride).tolist() == expected


def frames(count: int, layout: FrameLayout) -> torch.Tensor:
    return torch.arange(count * layout.width, dtype=torch.float32).reshape(count, layout.width)


def test_pack_and_unpack_are_inverse_for_any_shapes():
    layout = FrameLayout({"image": (2, 3), "observation": (4,)}, action_dim=2)
    random = np.random.default_rng(0)
    observations = {"observation": random.random((5, 4)), "image": random.random((5, 2, 3))}
    actions = random.random((5, 2))
    packed = layout.pack(observations, actions)
    assert packed.shape == (5, layout.width) == (5, 12)
    unpacked, unpacked_actions = layout.unpack(packed)
    for key, array in observations.items():
        np.testing.assert_array_equal(unpacked[key], array.astype(np.float32))
    np.testing.assert_array_equal(unpacked_actions, actions.astype(np.float32))


@given(st.lists(st.integers(1, 12), min_size=1, max_size=8), st.integers(1, 4), st.data())
def test_a_batch_is_its_windows_cut_out_by_hand(lengths, steps, data):
    layout = FrameLayout({"observation": (3,)}, action_dim=2)
    packed = frames(sum(lengths) + len(lengths), layout)
    starts = window_starts(torch.tensor(lengths), steps)
    dataset = WindowDataset(packed, starts, steps, layout)
    assert len(dataset) == len(starts)
    if len(starts) == 0:
        return
    chosen = data.draw(st.lists(st.integers(0, len(starts) - 1), min_size=1, max_size=6))
    batch = dataset.__getitems__(torch.tensor(chosen))
    assert batch["observations"]["observation"].shape == (len(chosen), steps + 1, 3)
    assert batch["actions"].shape == (len(chosen), steps, 2)
    for i, window in enumerate(chosen):
        first = starts[window]
        assert torch.equal(batch["observations"]["observation"][i], packed[first : first + steps + 1, :3])
        assert torch.equal(batch["actions"][i], packed[first : first + steps, 3:])
        assert torch.equal(dataset[window]["actions"], batch["actions"][i])


def test_indices_may_be_a_list():
    layout = FrameLayout({"observation": (1,)}, action_dim=1)
    dataset = WindowDataset(frames(4, layout), torch.tensor([0, 1, 2]), 1, layout)
    assert dataset.__getitems__([2, 0])["actions"].flatten().tolist() == [5, 1]


def test_no_window_starts_in_an_episode_shorter_than_it():
    layout = FrameLayout({"observation": (1,)}, action_dim=1)
    assert len(WindowDataset(frames(2, layout), torch.empty(0, dtype=torch.int64), 5, layout)) == 0
