"""Datasets of strangers: none runs code, reaches another file, or takes memory for what it does not hold."""

import json

import gymnasium as gym
import h5py
import numpy as np
import pytest
from h5py import h5d, h5p, h5s, h5t

from gbplan.data import read_dataset, write_dataset
from gbplan.data.dataset_guard import MOST_COMPRESSED
from gbplan.untrusted import MOST_MIB, read_json

ARRAY = "episode_0/observations/observation"
HUGE = 2**50


@pytest.fixture
def stored(tmp_path, ladder, spec):
    """A dataset, to be changed by the test."""
    return write_dataset(ladder(3, 2), "toys/toy-v0", spec, root=tmp_path) / "data"


def refusal(stored):
    """The error's message: one line, which names the dataset and a cure."""
    with pytest.raises(ValueError, match=r"^the dataset toys/toy-v0 .* cannot be read: .*download it again$") as caught:
        read_dataset("toys/toy-v0", stored.parents[2])
    assert "\n" not in str(caught.value)
    return str(caught.value)


def running(marker):
    """An environment's description that runs a command when it is made."""
    return json.dumps(
        {
            "id": "Drift-v0",
            "entry_point": "os:system",
            "kwargs": {"command": f"touch {marker}"},
            "additional_wrappers": [],
            "vector_entry_point": None,
        }
    )


def change_metadata(stored, **changes):
    path = stored / "metadata.json"
    metadata = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({name: value for name, value in metadata.items() if value is not None}))


@pytest.mark.parametrize("absent", [["observation_space", "action_space"], ["observation_space"], ["action_space"]])
def test_dataset_without_its_spaces_does_not_run_the_environment_that_it_names(stored, tmp_path, absent):
    marker = tmp_path / "it-ran"
    change_metadata(stored, env_spec=running(marker), **dict.fromkeys(absent))
    message = refusal(stored)
    assert not marker.exists()
    assert f"lacks the {absent[0]}" in message


def test_environment_of_a_dataset_is_not_made_from_what_the_dataset_says(stored, tmp_path):
    marker = tmp_path / "it-ran"
    change_metadata(stored, env_spec=running(marker))
    _, info = read_dataset("toys/toy-v0", tmp_path)
    assert info.env_spec.entry_point == "os:system"
    assert not marker.exists()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"total_episodes": HUGE}, "must count its total_episodes"),
        ({"total_episodes": -1}, "must count its total_episodes"),
        ({"total_steps": "many"}, "must count its total_steps"),
        ({"action_space": "["}, "the action_space in metadata.json is not JSON"),
        ({"action_space": "[" * 100_000}, "the action_space in metadata.json is not JSON"),
        ({"action_space": "[1]"}, "must be a mapping"),
        ({"action_space": '{"type": "Box", "dtype": "U99", "shape": [1], "low": [0], "high": [1]}'}, "got dtype 'U99'"),
        ({"env_spec": "[]"}, "the env_spec in metadata.json must be a mapping"),
        ({"env_spec": 3}, "the env_spec in metadata.json is not JSON"),
        ({"env_spec": '{"id": "Drift-v0", "kwargs": [], "additional_wrappers": []}'}, "an id and keyword arguments"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_metadata_that_claim_what_cannot_be_are_refused(stored, changes, reason):
    change_metadata(stored, **changes)
    assert reason in refusal(stored)


@pytest.mark.parametrize(
    ("text", "reason"),
    [("[1]", "must hold a mapping, got list"), ("[" * 100_000, "nested too deeply"), ("{", "is not JSON")],
    ids=["list", "depth", "cut"],
)
def test_metadata_of_another_form_are_refused(stored, text, reason):
    (stored / "metadata.json").write_text(text)
    assert reason in refusal(stored)


def test_json_of_more_than_a_bound_is_not_read(tmp_path):
    path = tmp_path / "large.json"
    with path.open("wb") as file:
        file.truncate(MOST_MIB * 2**20 + 1)
    with pytest.raises(ValueError, match="more than 64 MiB of JSON are not read"):
        read_json(path)


def external_link(file, elsewhere):
    file[ARRAY] = h5py.ExternalLink(elsewhere, "secret")


def soft_link(file, elsewhere):
    file[ARRAY] = h5py.SoftLink("/episode_0/observations/desired_goal")


def second_name(file, elsewhere):
    file[ARRAY] = file["episode_1/observations/observation"]


def virtual(file, elsewhere):
    layout = h5py.VirtualLayout((4, 2), np.float32)
    layout[:] = h5py.VirtualSource(elsewhere, "secret", (4, 2), np.float32)
    file.create_virtual_dataset(ARRAY, layout)


def external_storage(file, elsewhere):
    file.create_dataset(ARRAY, (4, 2), np.float32, external=[(elsewhere, 0, 32)])


def rows(file, elsewhere):
    made = h5p.create(h5p.DATASET_CREATE)
    made.set_chunk((1024, 2))
    h5d.create(file.id, ARRAY.encode(), h5t.IEEE_F32LE, h5s.create_simple((HUGE, 2)), made)


def compressed(file, elsewhere):
    file.create_dataset(ARRAY, (2**31, 2), np.float32, chunks=(2**20, 2), compression="gzip")


def references(file, elsewhere):
    file.create_dataset(ARRAY, data=np.array([file.ref] * 4, h5py.ref_dtype), dtype=h5py.ref_dtype)


def opaque(file, elsewhere):
    file.create_dataset(ARRAY, data=np.array([np.void(b"\x80\x04N.")] * 4))


def pickled_attribute(file, elsewhere):
    file["episode_0"].attrs["options"] = np.void(b"\x80\x04cos\nsystem\n.")
    file[ARRAY] = np.zeros((4, 2), np.float32)


def nesting(file, elsewhere):
    group = file.id
    for _ in range(40):
        group = h5py.h5g.create(group, b"in")
    file[ARRAY] = np.zeros((4, 2), np.float32)


CHANGES = {
    external_link: "has a link at b'episode_0/observations/observation', which may lead anywhere",
    soft_link: "has a link at b'episode_0/observations/observation'",
    second_name: "has two names",
    virtual: "observations/observation is stored in other files",
    external_storage: "observations/observation is stored in other files",
    rows: "observations/observation claims 9,007,199,254,740,992 bytes, more than its data",
    compressed: "claims 17,179,869,184 bytes",
    references: "has neither numbers nor text",
    opaque: "has neither numbers nor text",
    pickled_attribute: "has attributes of b'episode_0' that are neither numbers nor text",
    nesting: "has more than 32 groups within groups",
}


@pytest.mark.parametrize(("change", "reason"), CHANGES.items(), ids=lambda value: getattr(value, "__name__", ""))
def test_file_that_reaches_elsewhere_or_claims_too_much_is_refused(stored, tmp_path, change, reason):
    elsewhere = tmp_path / "secret.h5"
    with h5py.File(elsewhere, "w") as file:
        file["secret"] = np.full((4, 2), 7, np.float32)
    with h5py.File(stored / "main_data.hdf5", "a") as file:
        del file[ARRAY]
        change(file, str(elsewhere))
    assert reason in refusal(stored)


def test_arrays_of_compressed_pictures_are_looked_at_before_minari_decodes_them(tmp_path, stored):
    change_metadata(stored, jpeg_encoding=True)
    picture = {"type": "Box", "dtype": "uint8", "shape": [32, 32], "low": [[0] * 32] * 32, "high": [[255] * 32] * 32}
    space = json.loads(json.loads((stored / "metadata.json").read_text())["observation_space"])
    space["subspaces"]["observation"] = picture
    change_metadata(stored, observation_space=json.dumps(space))
    with h5py.File(stored / "main_data.hdf5", "a") as file:
        del file[ARRAY]
        external_storage(file, str(tmp_path / "secret.h5"))
    assert "episode_0/observations/observation is stored in other files" in refusal(stored)


def test_arrays_that_compress_well_are_believed(tmp_path, ladder, spec):
    folder = write_dataset(ladder(3), "toys/toy-v0", spec, root=tmp_path)
    with h5py.File(folder / "data" / "main_data.hdf5", "a") as file:
        shape = 4, *gym.make(spec).observation_space["observation"].shape
        del file[ARRAY]
        file.create_dataset(ARRAY, data=np.zeros(shape, np.float32), compression="gzip", chunks=True)
        file.create_dataset("episode_0/infos/zeros", data=np.zeros((4, 2**20)), compression="gzip", compression_opts=9)
        zeros = file["episode_0/infos/zeros"]
        assert 500 < zeros.nbytes / zeros.id.get_storage_size() < MOST_COMPRESSED
    assert read_dataset("toys/toy-v0", tmp_path)[0].infos["zeros"].shape == (4, 2**20)
