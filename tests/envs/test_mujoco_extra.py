import gc
import subprocess
import sys
import tomllib
import weakref
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from unittest.mock import Mock

import gymnasium as gym
import pytest

from gbplan.envs import mujoco_extra

WORLDS = ["gbplan/PointMaze-v0", "gbplan/FetchPush-v0", "gbplan/Rope-v0"]


def test_what_is_installed_is_among_what_was_tested():
    mujoco_extra.require_mujoco("X-v0")


def test_extra_installs_what_was_tested():
    extra = tomllib.loads(Path("pyproject.toml").read_text())["project"]["optional-dependencies"]["mujoco"]
    tested = {package: f"{package}>={first},<{beyond}" for package, (first, beyond) in mujoco_extra.TESTED.items()}
    assert sorted(extra) == sorted(tested.values())


@pytest.mark.parametrize("env_id", WORLDS)
@pytest.mark.parametrize("package", mujoco_extra.TESTED)
def test_missing_extra_is_reported_in_one_line_with_what_to_install(env_id, package, monkeypatch):
    def version(name):
        if name == package:
            raise PackageNotFoundError(name)
        return mujoco_extra.TESTED[name][0]

    monkeypatch.setattr(mujoco_extra, "version", version)
    with pytest.raises(gym.error.DependencyNotInstalled) as error:
        gym.make(env_id)
    assert str(error.value) == f"{env_id} needs {package}, which is not installed; run pip install 'gbplan[mujoco]'"


@pytest.mark.parametrize("env_id", WORLDS)
@pytest.mark.parametrize("found", ["3.2.7", "3.4.0", "4.0.0", "10.0"])
def test_version_that_was_not_tested_is_refused_with_those_that_were(env_id, found, monkeypatch):
    monkeypatch.setattr(mujoco_extra, "version", lambda name: found if name == "mujoco" else "1.4.2")
    with pytest.raises(
        gym.error.DependencyNotInstalled, match=rf"was tested with mujoco>=3.3.0,<3.4.0, and {found} is installed"
    ):
        gym.make_vec(env_id, num_envs=2)


def test_failure_of_opengl_keeps_nothing_alive(monkeypatch):
    class Context:
        def __init__(self, *given):
            local.append(weakref.ref(self))  # in a frame of the error's traceback
            raise FatalError("no OpenGL")

    FatalError = type("FatalError", (Exception,), {})
    local = []
    mujoco = Mock(MjrContext=Context, FatalError=FatalError)
    monkeypatch.setattr(mujoco_extra, "mujoco_of", lambda env_id: mujoco)
    model = Mock(**{"vis.global_.offwidth": 8, "vis.global_.offheight": 8})
    for _ in range(2):
        with pytest.raises(gym.error.DependencyNotInstalled, match=r"finds no OpenGL here \(FatalError\)"):
            mujoco_extra.renderer_of("X-v0", model, 8)
    (context,) = local  # a second attempt would end the process
    gc.collect()
    assert context() is None


def test_library_that_mujoco_does_not_find_is_reported_in_one_line(monkeypatch):
    monkeypatch.setenv("MUJOCO_GL", "osmesa")
    monkeypatch.setitem(sys.modules, "mujoco", None)  # importing it raises an error
    with pytest.raises(gym.error.DependencyNotInstalled) as error:
        mujoco_extra.mujoco_of("X-v0")
    assert str(error.value) == (
        "X-v0 needs mujoco, which cannot be imported with MUJOCO_GL='osmesa' (ModuleNotFoundError); unset MUJOCO_GL, "
        "or for 'osmesa' install libosmesa6"
    )


@pytest.mark.end_to_end
@pytest.mark.parametrize("env_id", WORLDS)
def test_mujoco_is_loaded_when_an_environment_is_made_and_not_before(env_id):
    program = (
        "import sys, gymnasium, gbplan; assert 'mujoco' not in sys.modules;"
        f"env = gymnasium.make('gbplan:{env_id}'); env.reset();"
        "assert 'mujoco' in sys.modules and not {'torch', 'gymnasium_robotics'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
