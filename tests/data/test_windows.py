import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from gbplan.data import Trajectories
from gbplan.data.frames import Frames
from gbplan.data.windows import WindowDataset, Windows, window_starts

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


def frames(*lengths: int, dim: int = 3) -> Frames:
    """Episodes whose numbers tell their place: frame f has the observation (f, f, ...) and the action (f, -f)."""
    count = sum(lengths) + len(lengths)
    place = np.arange(count, dtype=np.float32)[:, None]
    episode = np.repeat(np.arange(len(lengths)), np.array(lengths, np.int64) + 1)
    picture = np.zeros((count, 4, 4, 3), np.uint8) + (episode % 256).astype(np.uint8)[:, None, None, None]
    return Frames.of(
        Trajectories(
            observations={
                "observation": np.repeat(place, dim, axis=1),
                "desired_goal": np.repeat(episode[:, None], 2, axis=1).astype(np.float32),
                "desired_pixels": picture,
            },
            actions=np.concatenate([place, -place], axis=1),
            rewards=np.zeros(count),
            lengths=np.array(lengths, np.int64),
            terminated=np.ones(len(lengths), np.bool_),
            infos={},
        )
    )


KEYS = ["observation", "desired_goal", "desired_pixels"]


@given(
    st.lists(st.integers(1, 12), min_size=1, max_size=8),
    st.integers(1, 4),
    st.integers(1, 3),
    st.integers(0, 4),
    st.integers(1, 3),
    st.data(),
)
def test_a_batch_is_its_windows_cut_out_by_hand(lengths, steps, block, hold, parts, data):
    whole = frames(*lengths)
    places = [torch.arange(len(lengths))[i::parts] for i in range(parts)]  # sources interleave episodes
    sources = [Windows.of(whole, steps * block, episodes=each, hold_steps=hold) for each in places]
    dataset = WindowDataset(sources, KEYS, steps, block)
    starts = [
        (int(whole.starts[e]) + t, int(whole.starts[e]) + lengths[e], e)
        for each in places
        for e in each.tolist()
        for t in range(lengths[e] + hold - steps * block + 1)
    ]
    assert len(dataset) == len(starts)
    if not starts:
        return
    chosen = data.draw(st.lists(st.integers(0, len(starts) - 1), min_size=1, max_size=6))
    batch = dataset.__getitems__(torch.tensor(chosen))
    assert batch["observations"]["observation"].shape == (len(chosen), steps + 1, 3)
    assert batch["observations"]["desired_pixels"].shape == (len(chosen), steps + 1, 4, 4, 3)
    assert batch["observations"]["desired_pixels"].dtype == torch.uint8
    assert batch["actions"].shape == (len(chosen), steps, 2 * block)
    for i, window in enumerate(chosen):
        first, last, episode = starts[window]
        seen = [min(first + block * t, last) for t in range(steps + 1)]
        taken = [min(first + t, last) for t in range(steps * block)]
        assert batch["observations"]["observation"][i, :, 0].tolist() == seen
        assert batch["observations"]["desired_goal"][i].unique().tolist() == [episode]
        assert batch["observations"]["desired_pixels"][i].unique().tolist() == [episode]
        assert batch["actions"][i].flatten().tolist() == [x for f in taken for x in (f, -f)]
        assert torch.equal(dataset[window]["actions"], batch["actions"][i])


def test_indices_may_be_a_list():
    dataset = WindowDataset([Windows.of(frames(3), 1)], ["observation"], 1)
    assert dataset.__getitems__([2, 0])["actions"][:, 0, 0].tolist() == [2, 0]


def test_no_window_starts_in_an_episode_shorter_than_it():
    assert len(WindowDataset([Windows.of(frames(1), 5)], ["observation"], 5)) == 0


def test_latents_stand_beside_the_observations_as_float32():
    whole = frames(3).with_column("latents", torch.arange(8, dtype=torch.float16).reshape(4, 2))
    batch = WindowDataset([Windows.of(whole, 2)], ["latents"], 2).__getitems__([1])
    assert batch["observations"] == {}
    assert batch["latents"].dtype == torch.float32
    assert batch["latents"].tolist() == [[[2, 3], [4, 5], [6, 7]]]
