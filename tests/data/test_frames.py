import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from gbplan.data import Trajectories
from gbplan.data.frames import Frames, runs_of


def episodes(*lengths, goal=None):
    count = sum(lengths) + len(lengths)
    place = np.arange(count)
    goal = np.repeat(np.arange(len(lengths)), np.array(lengths) + 1) if goal is None else np.asarray(goal)
    return Trajectories(
        observations={
            "observation": place[:, None].astype(np.float64),
            "pixels": (place[:, None, None] * np.ones((2, 2))).astype(np.uint8),
            "desired_goal": goal[:, None].astype(np.float32),
        },
        actions=place[:, None].astype(np.float32),
        rewards=np.zeros(count),
        lengths=np.array(lengths, np.int64),
        terminated=np.zeros(len(lengths), np.bool_),
        infos={},
    )


@given(st.lists(st.integers(0, 2), max_size=20))
def test_runs_give_back_the_array(values):
    array = np.array(values, np.float32)[:, None]
    stored, rows = runs_of(array)
    assert np.array_equal(stored[rows], array)
    assert (stored[1:] != stored[:-1]).all()


def test_pictures_keep_their_type_and_numbers_become_float32():
    frames = Frames.of(episodes(2, 1))
    assert frames.dtypes == {"observation": torch.float32, "pixels": torch.uint8, "desired_goal": torch.float32}
    assert frames.shapes == {"observation": (1,), "pixels": (2, 2), "desired_goal": (1,)}


def test_a_goal_is_stored_once_an_episode_and_again_only_where_it_changes():
    assert len(Frames.of(episodes(5, 7)).runs("desired_goal").values) == 2
    moving = Frames.of(episodes(3, 1, goal=[0, 0, 9, 9, 4, 4]))
    assert len(moving.runs("desired_goal").values) == 3
    assert moving.take("desired_goal", torch.arange(6))[:, 0].tolist() == [0, 0, 9, 9, 4, 4]


def test_episodes_laid_together_are_those_of_the_parts():
    parts = [Frames.of(episodes(2, 1)), Frames.of(episodes(3))]
    whole = Frames.concatenate(parts)
    assert whole.lengths.tolist() == [2, 1, 3]
    assert whole.starts.tolist() == [0, 3, 5]
    rows = torch.arange(9)
    assert whole.take("observation", rows)[:, 0].tolist() == [0, 1, 2, 3, 4, 0, 1, 2, 3]
    assert whole.take("desired_goal", rows)[:, 0].tolist() == [0, 0, 0, 1, 1, 0, 0, 0, 0]


def test_the_newest_episodes_are_a_view():
    whole = Frames.of(episodes(2, 1, 3))
    newest = whole.since(1)
    assert newest.lengths.tolist() == [1, 3]
    assert newest.take("desired_goal", torch.arange(6))[:, 0].tolist() == [1, 1, 2, 2, 2, 2]
    assert newest.columns["pixels"].data_ptr() == whole.columns["pixels"][3:].data_ptr()


def test_rows_of_episodes_come_in_the_order_asked_for():
    assert Frames.of(episodes(2, 1, 3)).rows_of(torch.tensor([2, 0])).tolist() == [5, 6, 7, 8, 0, 1, 2]
