import warnings

import numpy as np
import pytest
from drift_env import Chase

from gbplan.data import Trajectories, TrajectoryDataModule, collect, write_dataset


@pytest.fixture(autouse=True)
def _no_dataset_outside_the_test(monkeypatch, tmp_path):
    """Minari's own folder is a fresh one, so that no test can read or write the user's."""
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))


def ladder(*lengths: int, dim: int = 2, offset: float = 0.0) -> Trajectories:
    """Episodes whose numbers tell their place: frame f has the observation (f, f, ...), action f / 100 (at most 1)."""
    frames = sum(lengths) + len(lengths)
    place = np.repeat(np.arange(frames, dtype=np.float32)[:, None], dim, axis=1) + np.float32(offset)
    last = np.cumsum(np.array(lengths) + 1) - 1
    actions = np.minimum(place / 100, 1)
    actions[last] = 0
    return Trajectories(
        observations={"observation": place, "achieved_goal": place + 0.25, "desired_goal": place + 0.5},
        actions=actions,
        rewards=np.where(np.isin(np.arange(frames), last), 0.0, -1.0),
        lengths=np.array(lengths, np.int64),
        terminated=np.arange(len(lengths)) % 2 == 0,
        infos={"is_success": np.isin(np.arange(frames), last), "distance": place[:, 0].astype(np.float64)},
    )


@pytest.fixture(name="ladder")
def _ladder():
    return ladder


@pytest.fixture
def spec():
    import gymnasium as gym

    return gym.make("Drift-v0").spec


@pytest.fixture
def picture_spec():
    """Spec of an environment whose observations hold two 64 x 64 pictures."""
    import gymnasium as gym

    return gym.make("PictureDrift-v0").spec


@pytest.fixture
def stored(tmp_path, spec):
    """Write trajectories under an id in ``tmp_path`` and return the id."""

    def write(trajectories: Trajectories, dataset_id: str = "toy-v0") -> str:
        write_dataset(trajectories, dataset_id, spec, root=tmp_path, overwrite=True)
        return dataset_id

    return write


@pytest.fixture
def module(tmp_path):
    """Make a data module over datasets in ``tmp_path`` and read them."""

    def make(datasets=("toy-v0",), **changes):
        arguments = {"batch_size": 4, "validation_steps": 1, "validation_fraction": 0.25} | changes
        data = TrajectoryDataModule(
            datasets if isinstance(datasets, dict) else list(datasets), str(tmp_path), **arguments
        )
        data.setup()
        return data

    return make


@pytest.fixture(scope="session")
def chase_root(tmp_path_factory):
    """A folder with the dataset chase-v0: 30 episodes of a noisy chase, 2 to 20 steps each."""
    root = tmp_path_factory.mktemp("datasets")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        collect("Drift-v0", "chase-v0", Chase(0.3), 30, env_kwargs={"noise": 0.05}, root=str(root), progress=False)
    return root
