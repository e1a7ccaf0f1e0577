"""Checks for MuJoCo, an optional extra: that it is installed, in a tested version."""

import os
import warnings
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import gymnasium as gym

# The first version that works, and the first that does not: gymnasium-robotics' Fetch fails from mujoco 3.4 on.
TESTED = {"mujoco": ("3.3.0", "3.4.0"), "gymnasium-robotics": ("1.4.2", "1.5.0")}


def require_mujoco(env_id: str) -> None:
    """Check that the packages of the extra ``gbplan[mujoco]`` are installed.

    Args:
        env_id: the environment that needs them, for the message.

    Raises:
        gymnasium.error.DependencyNotInstalled: a package is missing, or its version was not tested.
    """
    for package, (first, beyond) in TESTED.items():
        try:
            found = version(package)
        except PackageNotFoundError:
            raise gym.error.DependencyNotInstalled(
                f"{env_id} needs {package}, which is not installed; run pip install 'gbplan[mujoco]'"
            ) from None
        if not _numbers(first) <= _numbers(found) < _numbers(beyond):
            raise gym.error.DependencyNotInstalled(
                f"{env_id} was tested with {package}>={first},<{beyond}, and {found} is installed; run pip install "
                "'gbplan[mujoco]'"
            )


def mujoco_of(env_id: str) -> Any:
    """Return the module ``mujoco``.

    Raises:
        gymnasium.error.DependencyNotInstalled: it is missing, its version was not tested, or it cannot be imported with
            this ``MUJOCO_GL``.
    """
    require_mujoco(env_id)
    try:
        import mujoco
    except Exception as error:  # the error's class depends on the missing library
        said = os.environ.get("MUJOCO_GL")
        raise gym.error.DependencyNotInstalled(
            f"{env_id} needs mujoco, which cannot be imported with MUJOCO_GL={said!r} ({type(error).__name__}); unset "
            "MUJOCO_GL, or for 'osmesa' install libosmesa6"
        ) from None
    return mujoco


def renderer_of(env_id: str, model: Any, size: int) -> Any:
    """Return MuJoCo's renderer of a model's pictures, ``(size, size, 3)``.

    Raises:
        gymnasium.error.DependencyNotInstalled: MuJoCo finds no way to draw.
    """
    mujoco = mujoco_of(env_id)
    view = model.vis.global_
    view.offwidth, view.offheight = max(view.offwidth, size), max(view.offheight, size)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a warning of the window library, which finds no screen
            # Try the context first: a renderer that fails to be made raises again when it is deleted.
            context = mujoco.GLContext(size, size)
            context.make_current()
            if (reason := _opengl_error(mujoco)) is not None:
                raise mujoco.FatalError(reason)
            mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_100).free()
            context.free()
        return mujoco.Renderer(model, size, size)
    except Exception as error:  # the error's class depends on what is missing: a library, a screen, a function
        raise gym.error.DependencyNotInstalled(
            f"{env_id} is drawn by MuJoCo, which finds no OpenGL here ({type(error).__name__}); install libosmesa6 and "
            "set MUJOCO_GL=osmesa before Python starts"
        ) from None


@cache
def _opengl_error(mujoco: Any) -> str | None:
    """Return the message with which MuJoCo fails to use OpenGL, None if it can.

    It is tried once: after an error, a second attempt would end the process.
    """
    try:
        mujoco.MjrContext(mujoco.MjModel.from_xml_string("<mujoco/>"), mujoco.mjtFontScale.mjFONTSCALE_100).free()
    except mujoco.FatalError as error:
        return str(error)  # an error would keep the frames of its traceback, and all that is in them
    return None


def robotics_assets() -> Path:
    """Return the folder of gymnasium-robotics' models."""
    package = find_spec("gymnasium_robotics")  # only located: an import would register environments and print
    assert package is not None
    assert package.submodule_search_locations is not None
    return Path(package.submodule_search_locations[0], "envs", "assets")


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:3] if part.isdigit())
