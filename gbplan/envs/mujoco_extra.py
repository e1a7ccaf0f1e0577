"""MuJoCo is an extra: what worlds that need it say where it is missing, or is not a version they were tested with."""

from importlib.metadata import PackageNotFoundError, version

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


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:3] if part.isdigit())
