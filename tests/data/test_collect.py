import gymnasium as gym
import h5py
import numpy as np
import pytest
from drift_env import Chase, DriftEnv, Script

import gbplan.data.collect
from gbplan import __version__
from gbplan.data import collect, list_datasets, read_dataset, run_episodes
from gbplan.envs.door_wall import DoorWallExpert


def run(root, dataset_id="toy-v0", policy=None, episodes=7, **changes):
    arguments = {"env_kwargs": {"noise": 0.05}, "root": str(root), "progress": False, "num_envs": 3} | changes
    return collect("Drift-v0", dataset_id, policy or Chase(0.3), episodes, **arguments)


def contents(path):
    with h5py.File(path / "data" / "main_data.hdf5") as file:
        found = {}
        file.visititems(lambda name, item: found.update({name: item[()]} if isinstance(item, h5py.Dataset) else {}))
        return found


def test_the_same_arguments_give_the_same_dataset_bit_for_bit_however_many_run_side_by_side(tmp_path):
    first = contents(run(tmp_path, "first-v0"))
    second = contents(run(tmp_path, "second-v0", num_envs=5))
    assert first.keys() == second.keys()
    for name, array in first.items():
        assert np.array_equal(array, second[name]), name


def test_two_processes_collect_what_one_does(tmp_path):
    one, two = (contents(run(tmp_path, f"in-{number}-v0", num_processes=number)) for number in (1, 2))
    assert one.keys() == two.keys()
    for name, array in one.items():
        assert np.array_equal(array, two[name]), name
    with pytest.raises(ValueError, match="num_processes must be at least 1, got 0"):
        run(tmp_path, "none-v0", num_processes=0)


def test_actions_are_stored_as_the_environment_executed_them(tmp_path):
    run(tmp_path, policy=Script([3, -0.5]), episodes=1, env_kwargs={})
    trajectories, _ = read_dataset("toy-v0", tmp_path)
    steps = np.diff(trajectories.observations["observation"], axis=0)
    np.testing.assert_allclose(steps, np.broadcast_to([0.25, -0.125], steps.shape), atol=1e-6)
    assert (trajectories.actions[:-1] == [1, -0.5]).all()


def test_episodes_are_those_of_their_seeds(tmp_path):
    run(tmp_path, seed=3)
    trajectories, _ = read_dataset("toy-v0", tmp_path)
    envs = gbplan.data.make_vector_env("Drift-v0", 1, {"noise": 0.05})
    alone = run_episodes(envs, Chase(0.3), seeds=[3_000_005])
    assert np.array_equal(trajectories.select([5]).observations["observation"], alone.observations["observation"])
    other_seed, _ = read_dataset("toy-v0", run(tmp_path / "other", seed=4).parent)
    assert not np.array_equal(trajectories.observations["observation"][0], other_seed.observations["observation"][0])


def test_metadata_say_where_the_data_come_from(tmp_path):
    run(tmp_path, seed=3)
    info = read_dataset("toy-v0", tmp_path)[1]
    assert info.metadata["algorithm_name"] == "Chase(noise=0.3)"
    assert info.metadata["gbplan_version"] == __version__
    assert info.metadata["seed"] == 3
    assert info.env_spec.kwargs == {"noise": 0.05}
    with h5py.File(tmp_path / "toy-v0" / "data" / "main_data.hdf5") as file:
        assert [int(file[f"episode_{e}"].attrs["seed"]) for e in range(7)] == [3_000_000 + e for e in range(7)]


def test_door_wall_is_collected_in_its_own_vector_form(tmp_path):
    collect("DoorWall-v0", "door_wall/expert-v0", DoorWallExpert(), 20, root=str(tmp_path), progress=False)
    trajectories, info = read_dataset("door_wall/expert-v0", tmp_path)
    assert len(trajectories) == 20
    assert trajectories.terminated.all()
    assert info.env_spec.id == "DoorWall-v0"
    assert {"is_success", "distance", "contact"} <= set(trajectories.infos)


def test_progress_goes_to_stderr(tmp_path, capsys):
    run(tmp_path, progress=True)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "collecting toy-v0" in shown.err
    assert "7/7" in shown.err


def test_what_will_be_missed_in_planning_is_said_while_collecting(tmp_path):
    with pytest.warns(match=r"Drift-v0 cannot be put into a state: .* `gbplan evaluate` will refuse") as told:
        run(tmp_path, env_kwargs={"heed_options": False})
    assert len(told) == 1
    assert "\n" not in str(told[0].message)
    assert len(read_dataset("toy-v0", tmp_path)[0]) == 7


def test_an_interrupted_collection_leaves_nothing(tmp_path):
    class Interrupted(Chase):
        def act(self, observation, active=None):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, policy=Interrupted())
    assert list(tmp_path.iterdir()) == []


class Untouched(Chase):
    """Fails the test if an episode begins before the arguments are checked."""

    def reset(self, envs, seeds):
        pytest.fail("an episode has begun")


def test_an_existing_dataset_is_refused_before_any_episode(tmp_path):
    run(tmp_path)
    with pytest.raises(FileExistsError, match="toy-v0 is already there"):
        run(tmp_path, policy=Untouched())
    run(tmp_path, episodes=2, overwrite=True)
    assert len(read_dataset("toy-v0", tmp_path)[0]) == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"episodes": 0}, "episodes must be at least 1, got 0"),
        ({"num_envs": 0}, "num_envs must be at least 1, got 0"),
        ({"seed": -1}, "seed must lie in 0..1072 .*, got -1"),
        ({"seed": 1073}, "seed must lie in 0..1072 .*, got 1073"),
        ({"episodes": 1_000_001}, "a seed has 1000000 episodes"),
        ({"dataset_id": "toy"}, "a dataset id looks like"),
    ],
)
def test_wrong_numbers_are_refused_before_any_episode(tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        run(tmp_path, policy=Untouched(), **changes)
    assert list_datasets(tmp_path) == []


def test_environments_to_plan_nothing_in_are_refused(tmp_path):
    with pytest.raises(ValueError, match="CartPole-v1 is not goal-conditioned"):
        collect("CartPole-v1", "toy-v0", Untouched(), 1, root=str(tmp_path), progress=False)
    with pytest.raises(ValueError, match=r"env_id names no .* `Nowhere` doesn't exist; write module:id to import"):
        collect("Nowhere-v0", "toy-v0", Untouched(), 1, root=str(tmp_path), progress=False)
    gym.register("DriftObject-v0", entry_point=DriftEnv)
    with pytest.raises(ValueError, match=r"DriftObject-v0 was registered with the object .*; register it with entry_p"):
        collect("DriftObject-v0", "toy-v0", Untouched(), 1, root=str(tmp_path), progress=False)
