"""MuJoCo is an extra: what worlds that need it say where it is missing, or is not a version they were tested with."""

import os
import warnings
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import gymnasium as gym

# The first version that works, and the first that does not: Fetch of gymnasium-robotics fails from mujoco 3.4 on.
TESTED = {"mujoco": ("3.3.0", "3.4.0"), "gymnasium-robotics": ("1.4.2", "1.5.0")}


def require_mujoco(env_id: str) -> None:
    """Check that what the extra ``gbplan[mujoco]`` installs is there.

    Args:
        env_id: who needs it, for the message.

    Raises:
        gymnasium.error.DependencyNotInstalled: it is not there, or in another version than those tested.
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
        gymnasium.error.DependencyNotInstalled: it is not there, not in a version that was tested, or not to be imported
            with what ``MUJOCO_GL`` says.
    """
    require_mujoco(env_id)
    try:
        import mujoco
    except Exception as error:  # of what kind depends on the library that is missing
        said = os.environ.get("MUJOCO_GL")
        raise gym.error.DependencyNotInstalled(
            f"{env_id} needs mujoco, which cannot be imported with MUJOCO_GL={said!r} ({type(error).__name__}); unset "
            "MUJOCO_GL, or for 'osmesa' install libosmesa6"
        ) from None
    return mujoco


def renderer_of(env_id: str, model: Any, size: int) -> Any:
    """Return MuJoCo's renderer of a model's pictures, ``(size, size, 3)``.

    Raises:
        gymnasium.error.DependencyNotInstalled: MuJoCo finds nothing to draw with.
    """
    mujoco = mujoco_of(env_id)
    view = model.vis.global_
    view.offwidth, view.offheight = max(view.offwidth, size), max(view.offheight, size)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the window library, which finds no screen
            # Tried first: a renderer that cannot be made complains again when it is deleted.
            context = mujoco.GLContext(size, size)
            context.make_current()
            mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_100).free()
            context.free()
        return mujoco.Renderer(model, size, size)
    except Exception as error:  # of what kind depends on what is missing: a library, a screen, a function
        raise gym.error.DependencyNotInstalled(
            f"{env_id} is drawn by MuJoCo, which finds no OpenGL here ({type(error).__name__}); install libosmesa6 and "
            "set MUJOCO_GL=osmesa before Python starts"
        ) from None


def robotics_assets() -> Path:
    """Return the folder of gymnasium-robotics' models."""
    package = find_spec("gymnasium_robotics")  # found, not imported, which would register and print
    assert package is not None
    assert package.submodule_search_locations is not None
    return Path(package.submodule_search_locations[0], "envs", "assets")


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:3] if part.isdigit())
