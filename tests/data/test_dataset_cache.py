import logging
import shutil

import minari
import numpy as np
import pytest
import torch

from gbplan.data import TrajectoryDataModule, dataset_frames, list_datasets, write_dataset
from gbplan.data.dataset_reader import StoredDataset, open_dataset


@pytest.fixture(autouse=True)
def _nothing_is_small(monkeypatch):
    monkeypatch.setattr(dataset_frames, "IN_MEMORY", 0)


@pytest.fixture
def pictures(tmp_path, ladder, picture_spec):
    """Write a dataset with pictures, with numbers drawn from a seed."""

    def write(seed=0, root=tmp_path / "datasets"):
        trajectories = ladder(3, 2, 4, 3)
        random = np.random.default_rng(seed)
        pixels = random.integers(0, 256, (16, 64, 64, 3), np.uint8)
        episode = np.repeat(np.arange(4), trajectories.lengths + 1)
        trajectories.observations.update(pixels=pixels, desired_pixels=pixels[episode])
        write_dataset(trajectories, "toy-v0", picture_spec, root=root, overwrite=True)
        return trajectories, root / "toy-v0"

    return write


def module(folder, **changes):
    arguments = {"batch_size": 4, "validation_steps": 1, "validation_fraction": 0.25} | changes
    data = TrajectoryDataModule(["toy-v0"], str(folder.parent), **arguments)
    data.setup()
    return data


def all_frames(data):
    frames = data._parts[0].frames
    return {key: frames.take(key, torch.arange(len(frames))) for key in frames.columns} | {"actions": frames.actions}


def same(found, trajectories):
    assert found.keys() == {*trajectories.observations, "actions"}
    for key, array in {**trajectories.observations, "actions": trajectories.actions}.items():
        assert np.array_equal(found[key].numpy(), array), key


@pytest.fixture
def unread(monkeypatch):
    """Fail the test if episodes are read."""

    def forbid():
        monkeypatch.setattr(StoredDataset, "episodes", lambda *_: pytest.fail("the dataset is read"))

    return forbid


def only(folder):
    (found,) = folder.iterdir()
    return found


def test_mapped_columns_are_the_datasets(pictures):
    trajectories, folder = pictures()
    data = module(folder)
    same(all_frames(data), trajectories)
    frames = data._parts[0].frames
    assert frames.dtypes["pixels"] == torch.uint8
    assert len(frames.runs("desired_pixels").values) == 4
    batch = next(iter(data.train_dataloader()))
    assert batch["observations"]["pixels"].shape == (4, 2, 64, 64, 3)
    assert batch["observations"]["pixels"].dtype == torch.uint8


def test_what_is_written_to_a_tensor_leaves_the_cache_alone(pictures):
    trajectories, folder = pictures()
    all_frames(module(folder))["actions"].fill_(7)
    same(all_frames(module(folder)), trajectories)


def test_the_dataset_is_read_once(pictures, unread):
    trajectories, folder = pictures()
    module(folder)
    unread()
    same(all_frames(module(folder)), trajectories)
    assert [path.name for path in only(folder / "cache").iterdir()] == ["columns"]


def test_a_dataset_made_again_has_its_cache_made_again(pictures, caplog):
    _, folder = pictures(0)
    module(folder)
    before = only(folder / "cache")
    kept = folder.parent / "kept"
    shutil.copytree(folder / "cache", kept)
    trajectories, _ = pictures(1)
    shutil.copytree(kept, folder / "cache")  # as one who copies caches does
    with caplog.at_level(logging.INFO):
        same(all_frames(module(folder)), trajectories)
    assert only(folder / "cache") != before
    assert f"the cache {before} is of an earlier state of toy-v0; it is removed" in caplog.text


def cut_a_column(cache):
    with (cache / "observation-pixels.npy").open("r+b") as file:
        file.truncate(1000)


def lose_a_column(cache):
    (cache / "actions.npy").unlink()


def name_another(cache):
    manifest = cache / "manifest.json"
    manifest.write_text(manifest.read_text().replace("toy-v0", "boy-v0"))


def scribble(cache):
    (cache / "manifest.json").write_text("[1]")


def nest_endlessly(cache):
    (cache / "manifest.json").write_text("[" * 100_000)


@pytest.mark.parametrize("damage", [cut_a_column, lose_a_column, name_another, scribble, nest_endlessly])
def test_a_cache_that_is_not_whole_or_of_another_dataset_is_made_again_with_one_line(pictures, caplog, damage):
    trajectories, folder = pictures()
    module(folder)
    damage(only(folder / "cache") / "columns")
    with caplog.at_level(logging.INFO):
        same(all_frames(module(folder)), trajectories)
    lines = [line for line in caplog.text.splitlines() if "cache" in line]
    assert len(lines) == 1
    assert "is incomplete, or made of another dataset or encoder; it is made again" in lines[0]


def test_a_folder_for_caches_may_be_chosen(pictures, tmp_path):
    trajectories, folder = pictures()
    same(all_frames(module(folder, cache_dir=str(tmp_path / "scratch"))), trajectories)
    assert not (folder / "cache").exists()
    assert [path.name for path in only(tmp_path / "scratch" / "toy-v0").iterdir()] == ["columns"]
    (tmp_path / "file").write_text("")
    with pytest.raises(PermissionError, match="cannot write to"):
        module(folder, cache_dir=str(tmp_path / "file"))


def test_where_the_dataset_cannot_be_written_the_cache_is_temporary(pictures):
    trajectories, folder = pictures()
    (folder / "cache").write_text("")  # in the way
    data = module(folder)
    same(all_frames(data), trajectories)
    temporary = data._caches["toy-v0"].folder
    assert (temporary / "columns").exists()
    del data
    assert not temporary.exists()


def test_a_cache_is_no_dataset(pictures, monkeypatch):
    _, folder = pictures()
    module(folder)
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(folder.parent))
    assert list_datasets(folder.parent) == [*minari.list_local_datasets()] == ["toy-v0"]


def test_nan_is_refused_and_nothing_left(tmp_path, ladder, spec, monkeypatch):
    write_dataset(ladder(3, 3), "toy-v0", spec, root=tmp_path)
    read = StoredDataset.episodes

    def broken(self, infos=False):
        for e, episode in enumerate(read(self, infos)):
            episode["observations/observation"][0] = np.nan if e else 0
            yield episode

    monkeypatch.setattr(StoredDataset, "episodes", broken)
    with pytest.raises(ValueError, match=r"toy-v0 has a NaN .* in 'observation', first in episode 1; remove"):
        module(tmp_path / "toy-v0")
    assert list(only(tmp_path / "toy-v0" / "cache").iterdir()) == []


def test_the_size_decides_what_is_mapped(pictures, monkeypatch):
    _, folder = pictures()
    stored = open_dataset("toy-v0", folder.parent)
    expected = 16 * 64 * 64 * 3 + 4 * 64 * 64 * 3 + 16 * 2 * 2 * 4 + 4 * 2 * 4
    monkeypatch.setattr(dataset_frames, "IN_MEMORY", expected)
    assert dataset_frames.is_small(stored)
    monkeypatch.setattr(dataset_frames, "IN_MEMORY", expected - 1)
    assert not dataset_frames.is_small(stored)
