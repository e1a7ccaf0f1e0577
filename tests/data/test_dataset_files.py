"""Writing, reading and refusing Minari datasets."""

import json
import os
import resource
from pathlib import Path

import gymnasium as gym
import h5py
import minari
import numpy as np
import pytest
from gymnasium.spaces import Box, Dict, Discrete
from minari.data_collector import EpisodeBuffer
from minari.dataset.minari_storage import MinariStorage

import gbplan.data.dataset_writer
from gbplan.data import list_datasets, read_dataset, write_dataset


def equal(first, second):
    assert first.lengths.tolist() == second.lengths.tolist()
    assert first.terminated.tolist() == second.terminated.tolist()
    assert np.array_equal(first.actions, second.actions)
    assert np.array_equal(first.rewards, second.rewards)
    for mine, yours in ((first.observations, second.observations), (first.infos, second.infos)):
        assert sorted(mine) == sorted(yours)
        for key, array in mine.items():
            assert array.dtype == yours[key].dtype
            assert np.array_equal(array, yours[key])


def other_dataset(root: Path, observation_space, action_space, episode, dataset_id="other-v0", jpeg=True):
    """A dataset as somebody else's program writes it."""
    (root / dataset_id).mkdir(parents=True)
    storage = MinariStorage.new(
        root / dataset_id / "data", observation_space, action_space, data_format="hdf5", jpeg_encoding=jpeg
    )
    storage.update_metadata({"dataset_id": dataset_id, "minari_version": minari.__version__})
    if episode is not None:
        storage.update_episodes([EpisodeBuffer(**episode)])


def box(*shape, dtype=np.float64):
    return Box(-10, 10, shape, dtype)


def goal_space(**changes):
    return Dict({"observation": box(3), "achieved_goal": box(2), "desired_goal": box(2), **changes})


def episode(steps=4, **changes):
    return {
        "observations": {
            "observation": np.ones((steps + 1, 3)),
            "achieved_goal": np.zeros((steps + 1, 2)),
            "desired_goal": np.ones((steps + 1, 2)),
        },
        "actions": np.full((steps, 2), 0.5),
        "rewards": np.ones(steps),
        "terminations": np.zeros(steps, np.bool_),
        "truncations": np.arange(steps) == steps - 1,
    } | changes


# ------------------------------------------------------------------------------------------------------ round trips


def test_reading_returns_what_was_written(tmp_path, ladder, spec):
    written = ladder(3, 1, 4)
    folder = write_dataset(written, "toys/toy-v0", spec, seeds=[5, 6, 7], metadata={"policy": "none"}, root=tmp_path)
    read, info = read_dataset("toys/toy-v0", tmp_path)
    equal(read, written)
    assert folder == tmp_path / "toys" / "toy-v0"
    assert info.env_spec.id == "Drift-v0"
    assert info.metadata["policy"] == "none"
    assert info.seeds == [5, 6, 7]
    assert info.action_space == Box(-1, 1, (2,), np.float32)
    assert read_dataset("toys/toy-v0", tmp_path, infos=False)[0].infos == {}


def test_minari_itself_reads_it_and_recovers_the_environment(ladder):
    kwargs = {"noise": 0.125}
    write_dataset(ladder(3, 1), "toys/toy-v0", gym.make("Drift-v0", **kwargs).spec, seeds=[5, 6])  # Minari's own folder
    dataset = minari.load_dataset("toys/toy-v0")
    assert "toys/toy-v0" in minari.list_local_datasets()
    assert (dataset.total_episodes, dataset.total_steps) == (2, 4)
    assert dataset.recover_environment().unwrapped.noise == 0.125
    assert [m["seed"] for m in dataset.storage.get_episode_metadata([0, 1])] == [5, 6]
    first, second = dataset.iterate_episodes()
    assert first.observations["observation"][:, 0].tolist() == [0, 1, 2, 3]
    assert first.terminations.tolist() == [False, False, True]
    assert second.truncations.tolist() == [True]
    assert read_dataset("toys/toy-v0")[0].lengths.tolist() == [3, 1]


def test_an_environment_id_that_is_not_imported_is_recovered_from_its_entry_point(ladder, spec, monkeypatch):
    write_dataset(ladder(2), "toy-v0", spec)
    monkeypatch.delitem(gym.registry, "Drift-v0")
    assert minari.load_dataset("toy-v0").recover_environment().spec.id == "Drift-v0"


def test_other_peoples_datasets_are_read_as_float32_with_the_infos_that_fit(tmp_path):
    infos = {"speed": np.arange(5.0), "per_step": np.arange(4.0), "deep": {"x": np.zeros(5)}}
    other_dataset(tmp_path, goal_space(), box(2), episode(infos=infos))
    trajectories, info = read_dataset("other-v0", tmp_path)
    assert {array.dtype for array in trajectories.observations.values()} == {np.dtype(np.float32)}
    assert trajectories.observations["observation"].shape == (5, 3)
    assert trajectories.actions[:, 0].tolist() == [0.5] * 4 + [0]
    assert trajectories.terminated.tolist() == [False]
    assert list(trajectories.infos) == ["speed"]
    assert info.env_spec is None
    assert info.seeds == [None]


def test_compressed_images_are_read_through_minari(tmp_path):
    image = Box(0, 255, (32, 32, 3), np.uint8)
    observations = episode()["observations"] | {"observation": np.full((5, 32, 32, 3), 200, np.uint8)}
    other_dataset(tmp_path, goal_space(observation=image), box(2), episode(observations=observations))
    trajectories, _ = read_dataset("other-v0", tmp_path)
    assert trajectories.observations["observation"].shape == (5, 32, 32, 3)
    assert abs(int(trajectories.observations["observation"].mean()) - 200) <= 1
    assert trajectories.rewards.tolist() == [1, 1, 1, 1, 0]


def test_pictures_are_the_same_bytes_before_and_after(tmp_path, ladder, picture_spec):
    written = ladder(3, 2)
    random = np.random.default_rng(0)
    for key in ("pixels", "desired_pixels"):
        written.observations[key] = random.integers(0, 256, (7, 64, 64, 3), np.uint8)
    write_dataset(written, "toy-v0", picture_spec, root=tmp_path)
    read, _ = read_dataset("toy-v0", tmp_path)
    equal(read, written)
    stored = next(minari.MinariDataset(tmp_path / "toy-v0" / "data").iterate_episodes())
    assert np.array_equal(stored.observations["pixels"], written.observations["pixels"][:4])


@pytest.mark.parametrize(
    ("pixels", "message"),
    [
        (np.zeros((5, 32, 32, 3), np.uint8), r"holds 'observation' of episode 0 as uint8 of shape \(32, 32, 3\), its "),
        (
            np.zeros((5, 64, 64, 3), np.float32),
            r"as float32 of shape \(64, 64, 3\), its .* says uint8 of shape \(64, 64",
        ),
    ],
    ids=["size", "type"],
)
def test_pictures_of_another_size_or_type_than_declared_are_refused(tmp_path, pixels, message):
    declared = goal_space(observation=Box(0, 255, (64, 64, 3), np.uint8))
    observations = episode()["observations"] | {"observation": pixels}
    other_dataset(tmp_path, declared, box(2), episode(observations=observations), jpeg=False)
    with pytest.raises(ValueError, match=message) as caught:
        read_dataset("other-v0", tmp_path)
    assert "\n" not in str(caught.value)


# ------------------------------------------------------------------------------------------------------ atomic writing


def everything_in(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def test_an_existing_dataset_is_refused_and_kept(tmp_path, ladder, stored, spec):
    stored(ladder(3))
    with pytest.raises(FileExistsError, match=r"toy-v0 is already there .*--overwrite"):
        write_dataset(ladder(1), "toy-v0", spec, root=tmp_path)
    assert read_dataset("toy-v0", tmp_path)[0].lengths.tolist() == [3]


def test_overwriting_replaces_all_of_it(tmp_path, ladder, stored):
    stored(ladder(3, 3))
    stored(ladder(1))
    assert read_dataset("toy-v0", tmp_path)[0].lengths.tolist() == [1]
    assert os.listdir(tmp_path) == ["toy-v0"]


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, OSError, RuntimeError])
def test_an_interrupted_write_leaves_nothing_behind(tmp_path, ladder, spec, monkeypatch, interruption):
    def interrupted(*_):
        yield EpisodeBuffer(**episode())
        raise interruption

    monkeypatch.setattr(gbplan.data.dataset_writer, "_buffers", interrupted)
    with pytest.raises(interruption):
        write_dataset(ladder(3), "toy-v0", spec, root=tmp_path)
    assert everything_in(tmp_path) == []
    assert list_datasets(tmp_path) == []


@pytest.mark.parametrize("moment", ["while writing", "before the old one moves", "before the new one moves"])
def test_an_interrupted_overwrite_keeps_the_old_dataset(tmp_path, ladder, stored, monkeypatch, moment):
    stored(ladder(3))
    before = everything_in(tmp_path)
    rename = Path.rename

    def interrupted(self, target):
        if self.suffix == ".draft" or (self.name == "toy-v0" and moment == "before the old one moves"):
            raise KeyboardInterrupt
        return rename(self, target)

    if moment == "while writing":
        monkeypatch.setattr(gbplan.data.dataset_writer, "_buffers", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    else:
        monkeypatch.setattr(Path, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt):
        stored(ladder(1))
    monkeypatch.undo()
    assert everything_in(tmp_path) == before
    assert read_dataset("toy-v0", tmp_path)[0].lengths.tolist() == [3]


@pytest.mark.parametrize("limit", [100, 5_000, 20_000, 40_000])
def test_a_dataset_that_does_not_fit_the_disk_is_one_error_and_the_old_one_stays(tmp_path, ladder, stored, limit):
    stored(ladder(3))
    before = everything_in(tmp_path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            stored(ladder(*range(1, 60)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert everything_in(tmp_path) == before


def test_half_written_datasets_of_a_killed_process_are_not_listed(tmp_path, ladder, stored):
    stored(ladder(2), "toys/toy-v0")
    hidden = tmp_path / "toys" / ".toy-v1-abc" / "new" / "data"
    hidden.mkdir(parents=True)
    (hidden / "metadata.json").write_text("{}")
    assert list_datasets(tmp_path) == ["toys/toy-v0"]


def test_a_folder_that_cannot_be_written_is_refused(tmp_path, ladder, spec):
    (tmp_path / "file").write_text("")
    with pytest.raises(PermissionError, match=r"cannot write to .*file.*; choose another folder"):
        write_dataset(ladder(2), "toy-v0", spec, root=tmp_path / "file")


# -------------------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    "dataset_id", ["toy", "toy-v", "../toy-v0", "/toy-v0", "a b-v0", "", "a//toy-v0", "a/toy-v0", "toy-v0/"]
)
def test_malformed_ids_are_refused(dataset_id, tmp_path):
    with pytest.raises(ValueError, match="a dataset id looks like 'my-env/expert-v0'"):
        read_dataset(dataset_id, tmp_path)


def test_an_unknown_id_is_answered_with_the_known_ones(tmp_path, ladder, stored):
    with pytest.raises(FileNotFoundError, match="has no dataset at all; make it with `gbplan collect`"):
        read_dataset("toy-v0", tmp_path)
    stored(ladder(2), "toys/toy-v0")
    stored(ladder(2), "toy-v1")
    with pytest.raises(FileNotFoundError, match=r"no dataset toy-v2 in .*, which has toy-v1, toys/toy-v0; make"):
        read_dataset("toy-v2", tmp_path)


def test_nothing_is_not_written(tmp_path, ladder, spec):
    with pytest.raises(ValueError, match="the dataset toy-v0 would be empty"):
        write_dataset(ladder(2).select([]), "toy-v0", spec, root=tmp_path)
    with pytest.raises(ValueError, match=r"seeds must have one entry per episode \(1\), got 2"):
        write_dataset(ladder(2), "toy-v0", spec, seeds=[1, 2], root=tmp_path)


def test_nan_is_neither_written_nor_read(tmp_path, ladder, spec):
    bad = ladder(2, 2)
    bad.observations["achieved_goal"][4, 1] = np.nan
    with pytest.raises(ValueError, match=r"the dataset toy-v0 has a NaN .* 'achieved_goal', first in episode 1"):
        write_dataset(bad, "toy-v0", spec, root=tmp_path)
    other_dataset(tmp_path, goal_space(), box(2), episode(actions=np.full((4, 2), np.nan)))
    with pytest.raises(ValueError, match=r"the dataset other-v0 has a NaN .* 'actions', first in episode 0"):
        read_dataset("other-v0", tmp_path)


def test_an_empty_dataset_is_refused(tmp_path):
    other_dataset(tmp_path, goal_space(), box(2), None)
    with pytest.raises(ValueError, match=r"the dataset other-v0 .* has no episodes"):
        read_dataset("other-v0", tmp_path)


@pytest.mark.parametrize(
    ("observation_space", "action_space", "message"),
    [
        (
            box(3),
            box(2),
            "is not goal-conditioned: .* must be a Dict of observation, achieved_goal, desired_goal, got Box",
        ),
        (Dict(observation=box(3)), box(2), "is not goal-conditioned: .*, got a Dict of observation"),
        (goal_space(observation=Discrete(3)), box(2), "observation 'observation' must be a Box"),
        (goal_space(), Discrete(4), r"has the action space Discrete\(4\), but gradients need continuous actions"),
        (goal_space(), box(2, 2), r"has actions of shape \(2, 2\), expected vectors"),
    ],
)
def test_datasets_to_plan_nothing_with_are_refused(tmp_path, observation_space, action_space, message):
    other_dataset(tmp_path, observation_space, action_space, None)
    with pytest.raises(ValueError, match=r"the dataset other-v0.*" + message):
        read_dataset("other-v0", tmp_path)


def truncate(data: Path):
    file = data / "main_data.hdf5"
    file.write_bytes(file.read_bytes()[:-3000])


def drop_episode(data: Path):
    with h5py.File(data / "main_data.hdf5", "a") as file:
        del file["episode_1"]


def drop_actions(data: Path):
    with h5py.File(data / "main_data.hdf5", "a") as file:
        del file["episode_1/actions"]


def shorten_actions(data: Path):
    with h5py.File(data / "main_data.hdf5", "a") as file:
        file["episode_1/actions"].resize((1, 2))


def text_for_actions(data: Path):
    with h5py.File(data / "main_data.hdf5", "a") as file:
        del file["episode_1/actions"]
        file["episode_1/actions"] = "up, up, left"


DAMAGES = {
    "truncated": truncate,
    "emptied": lambda data: (data / "main_data.hdf5").write_bytes(b""),
    "scribbled": lambda data: (data / "main_data.hdf5").write_bytes(b"not hdf5 at all" * 1000),
    "file lost": lambda data: (data / "main_data.hdf5").unlink(),
    "episode lost": drop_episode,
    "actions lost": drop_actions,
    "actions short": shorten_actions,
    "actions text": text_for_actions,
    "metadata cut": lambda data: (data / "metadata.json").write_text('{"total_epi'),
    "metadata lost": lambda data: (data / "metadata.json").unlink(),
    "id lost": lambda data: (data / "metadata.json").write_text(
        json.dumps({k: v for k, v in json.loads((data / "metadata.json").read_text()).items() if k != "dataset_id"})
    ),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_dataset_gets_one_line_with_the_remedy(tmp_path, ladder, stored, damage):
    stored(ladder(3, 4))
    damage(tmp_path / "toy-v0" / "data")
    with pytest.raises(ValueError, match=r"^the dataset toy-v0 .* cannot be read: .* collect it again") as caught:
        read_dataset("toy-v0", tmp_path)
    assert "\n" not in str(caught.value)
    assert caught.value.__suppress_context__
