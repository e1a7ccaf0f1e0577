import numpy as np
import pytest

from gbplan.data import Trajectories


def make(*lengths, **changes):
    frames = sum(lengths) + len(lengths)
    fields = {
        "observations": {"observation": np.arange(frames, dtype=np.float32)[:, None]},
        "actions": np.zeros((frames, 1), np.float32),
        "rewards": np.zeros(frames),
        "lengths": np.array(lengths, np.int64),
        "terminated": np.ones(len(lengths), np.bool_),
        "infos": {"distance": np.arange(frames) * 2.0},
    }
    return Trajectories(**(fields | changes))


def test_episodes_are_slices_of_one_frame_more_than_steps():
    trajectories = make(2, 1, 3)
    assert [(s.start, s.stop) for s in trajectories.episodes()] == [(0, 3), (3, 5), (5, 9)]
    assert trajectories.num_transitions == 6
    assert len(trajectories) == 3


def test_select_takes_whole_episodes_in_the_given_order():
    chosen = make(2, 1, 3).select([2, 0])
    assert chosen.lengths.tolist() == [3, 2]
    assert chosen.observations["observation"][:, 0].tolist() == [5, 6, 7, 8, 0, 1, 2]
    assert chosen.infos["distance"].tolist() == [10, 12, 14, 16, 0, 2, 4]


def test_select_by_mask_and_concatenate_give_back_the_whole():
    whole = make(2, 1, 3)
    mask = np.array([True, False, False])
    again = Trajectories.concatenate([whole.select(mask), whole.select(~mask)])
    assert again.lengths.tolist() == whole.lengths.tolist()
    assert np.array_equal(again.observations["observation"], whole.observations["observation"])


def test_nothing_selected_is_an_empty_set():
    assert len(make(2, 1).select([])) == 0


def test_concatenate_keeps_the_infos_all_parts_have():
    parts = [make(1), make(2, infos={})]
    assert Trajectories.concatenate(parts).infos == {}
    with pytest.raises(ValueError, match="needs at least one set"):
        Trajectories.concatenate([])


def test_a_missing_last_frame_is_refused():
    with pytest.raises(ValueError, match=r"actions must have sum\(lengths \+ 1\) = 5 frames, got 4; did you forget"):
        make(2, 1, actions=np.zeros((4, 1), np.float32))


def test_an_episode_without_steps_is_refused():
    with pytest.raises(ValueError, match="at least one step"):
        make(2, 0)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_nan_is_named_with_its_entry_and_episode(bad):
    trajectories = make(2, 1, 3)
    trajectories.observations["observation"][6] = bad
    with pytest.raises(ValueError, match=r"the toy has a NaN .* 'observation', first in episode 2 \(1 frames in all\)"):
        trajectories.require_finite("the toy")
    trajectories = make(2, 1, 3)
    trajectories.actions[0] = bad
    with pytest.raises(ValueError, match=r"'actions', first in episode 0"):
        trajectories.require_finite("the toy")
    make(2, 1, 3).require_finite("the toy")
