from contextlib import closing
from types import SimpleNamespace

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.envs.registration import EnvSpec
from gymnasium.wrappers import RescaleAction

from gbplan.callbacks.requirements import placed_in
from gbplan.evaluation import TaskSet


class WrappedDoor(gym.Wrapper):
    def __init__(self, **kwargs):
        super().__init__(gym.make("DoorWall-v0", **kwargs).unwrapped)


if "WrappedDoor-v0" not in gym.registry:
    gym.register("WrappedDoor-v0", entry_point=WrappedDoor, max_episode_steps=9)


def environment_of(trainer, env_id, env_kwargs):
    placed = placed_in(trainer, TaskSet(env_id, env_kwargs, kind="detour", count=7))
    assert (placed.kind, placed.count) == ("detour", 7)
    return placed.env_id, placed.env_kwargs or {}


def trainer(spec):
    return SimpleNamespace(datamodule=SimpleNamespace(env_spec=spec))


def spec_of(**kwargs):
    env = gym.make("DoorWall-v0", **kwargs)
    env.close()
    return env.spec


def test_environment_is_the_datasets_unless_named():
    collected = trainer(spec_of(dynamics="velocity", max_episode_steps=200, task="detour"))
    assert environment_of(collected, "TwoStates-v0", None) == ("TwoStates-v0", {})
    assert environment_of(collected, "DoorWall-v0", {"step_size": 0.2}) == ("DoorWall-v0", {"step_size": 0.2})
    # Without its kind of tasks, which the callback chooses.
    assert environment_of(collected, None, None) == ("DoorWall-v0", {"dynamics": "velocity", "max_episode_steps": 200})
    assert environment_of(trainer(spec_of()), None, None) == ("DoorWall-v0", {})


def test_environment_of_the_datasets_is_made_as_it_is_registered_not_as_they_say(tmp_path):
    marker = tmp_path / "it-ran"
    runs = {"entry_point": "os:system", "kwargs": {"command": f"touch {marker}"}}
    with pytest.raises(TypeError, match="DoorWall-v0 has no argument 'command'"):
        environment_of(trainer(EnvSpec("DoorWall-v0", **runs)), None, None)
    with pytest.raises(ValueError, match="which is not registered here"):
        environment_of(trainer(EnvSpec("Elsewhere-v0", **runs)), None, None)
    assert not marker.exists()


def test_missing_time_limit_stays_missing_and_rendering_is_not_for_planning():
    endless = environment_of(trainer(spec_of(max_episode_steps=-1, render_mode="rgb_array")), None, None)
    assert endless == ("DoorWall-v0", {"max_episode_steps": -1})
    with closing(gym.make(endless[0], **endless[1])) as env:
        assert env.spec.max_episode_steps is None


def test_wrapped_environment_is_refused():
    with closing(RescaleAction(gym.make("DoorWall-v0"), np.float32(-2), np.float32(2))) as env:
        spec = env.spec
    with pytest.raises(ValueError, match="with wrappers around it"):
        environment_of(trainer(spec), None, None)
    assert environment_of(trainer(spec), "DoorWall-v0", None) == ("DoorWall-v0", {})


def test_class_that_is_itself_a_wrapper_is_the_environment():
    with closing(gym.make("WrappedDoor-v0", step_size=0.2)) as env:
        assert env.spec.additional_wrappers
        assert environment_of(trainer(env.spec), None, None) == ("WrappedDoor-v0", {"step_size": 0.2})
    with closing(RescaleAction(gym.make("WrappedDoor-v0"), np.float32(-2), np.float32(2))) as env:
        spec = env.spec
    with pytest.raises(ValueError, match="with wrappers around it"):
        environment_of(trainer(spec), None, None)


def test_environment_of_pictures_is_found_again_from_a_dataset():
    with closing(gym.make("DoorWallPixels-v0", size=16, door_center=0.5)) as env:
        recorded = EnvSpec.from_json(env.spec.to_json())
    assert environment_of(trainer(recorded), None, None) == ("DoorWallPixels-v0", {"size": 16, "door_center": 0.5})


def test_arguments_change_those_of_the_datasets():
    collected = trainer(spec_of(dynamics="velocity", step_size=0.05))
    assert environment_of(collected, None, {"step_size": 0.2})[1] == {"dynamics": "velocity", "step_size": 0.2}


@pytest.mark.parametrize("nothing", [trainer(None), SimpleNamespace(datamodule=None), SimpleNamespace()])
def test_datasets_that_say_nothing_are_refused(nothing):
    with pytest.raises(ValueError, match=r"do not say which environment .* name it with env_id"):
        environment_of(nothing, None, None)


def test_environment_that_is_not_registered_is_refused():
    spec = spec_of()
    spec.id = "Elsewhere-v0"
    with pytest.raises(ValueError, match=r'Elsewhere-v0, which is not registered here; .*env_id="my_module:Elsewhere'):
        environment_of(trainer(spec), None, None)
