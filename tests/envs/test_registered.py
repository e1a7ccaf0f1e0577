import sys
from types import ModuleType

import gymnasium as gym
import pytest
from gymnasium.envs.registration import EnvSpec

import gbplan.envs  # noqa: F401, registers the environments
from gbplan.envs.registered import require_registered


@pytest.mark.parametrize("env_id", ["DoorWall-v0", "gbplan:DoorWall-v0", "gbplan:gbplan/PushT-v0", "gbplan/PushT-v0"])
def test_registered_id_with_or_without_its_module_is_accepted(env_id):
    require_registered(env_id)


@pytest.mark.parametrize(
    ("env_id", "meant"),
    [
        ("gbplan:PointMaze-v0", "gbplan/PointMaze-v0"),
        ("PushT-v0", "gbplan/PushT-v0"),
        ("push_t-v0", "gbplan/PushT-v0"),
        ("gbplan/DoorWall-v0", "DoorWall-v0"),
        ("DoorWal-v0", "DoorWall-v0"),
        ("DoorWall-v1", "DoorWall-v0"),
        ("DoorWall", "DoorWall-v0"),
        ("gbplan/PushT", "gbplan/PushT-v0"),
        ("Pendulum-v0", "Pendulum-v1"),  # not phys2d/Pendulum-v0
        ("gymnasium:CartPol-v1", "gymnasium:CartPole-v1"),
    ],
)
def test_mistyped_id_is_answered_with_the_one_meant_and_how_to_name_a_module(env_id, meant):
    with pytest.raises(ValueError, match=f"env_id names no .*; did you mean {meant}[?] Or write module:id") as error:
        require_registered(env_id)
    assert str(error.value).count("mean") == 1


def test_of_a_users_environments_the_one_of_the_same_namespace_is_meant(monkeypatch):
    for env_id in ("Mine-v0", "other/Mine-v2"):
        monkeypatch.setitem(gym.registry, env_id, EnvSpec(env_id))
    for env_id, meant in (("Mine-v1", "Mine-v0"), ("other/Mine-v0", "other/Mine-v2")):
        with pytest.raises(ValueError, match=f"did you mean {meant}[?]"):
            require_registered(env_id)


def test_the_environment_of_this_package_is_meant_although_another_is_nearer(monkeypatch):
    monkeypatch.setitem(gym.registry, "a/PushT-v0", EnvSpec("a/PushT-v0"))
    with pytest.raises(ValueError, match=r"did you mean gbplan/PushT-v0[?]"):
        require_registered("PushT")


@pytest.mark.parametrize("env_id", ["", "v0", "gbplan/", "Nothing-v0"])
def test_unlike_id_gets_no_suggestion(env_id):
    with pytest.raises(ValueError, match=r"tasks.env_id names no registered .*; write module:id") as error:
        require_registered(env_id, "tasks.env_id")
    assert "mean" not in str(error.value)


def test_id_unlike_those_of_its_module_is_answered_with_all_of_them(monkeypatch):
    monkeypatch.setitem(sys.modules, "cart", ModuleType("cart"))
    classes = {"Pole-v0": type("Pole", (gym.Env,), {"__module__": "cart.pole"}), "Cart-v0": "cart:Cart"}
    for env_id, made_by in classes.items():
        monkeypatch.setitem(gym.registry, env_id, EnvSpec(env_id, made_by))
    with pytest.raises(ValueError, match=r"`Crat` doesn't exist; the package cart registers Cart-v0, Pole-v0$"):
        require_registered("cart:Crat-v0")


def test_module_that_cannot_be_imported_is_named_and_not_suggested_again(monkeypatch, tmp_path):
    (tmp_path / "lacks_a_library.py").write_text("import no_library")
    monkeypatch.syspath_prepend(tmp_path)
    for module, missing in (("no_module", "no_module"), ("lacks_a_library", "no_library")):
        told = f"env_id names the module {module}, which cannot be imported: No module named '{missing}'; correct"
        with pytest.raises(ValueError, match=told) as error:
            require_registered(f"{module}:DoorWall-v0")
        assert "mean" not in str(error.value)


def test_class_in_place_of_an_id_is_refused():
    with pytest.raises(TypeError, match="env_id must be the id of a registered environment, a text, got <class"):
        require_registered(gym.Env)
