"""Checks that an environment is registered, and finds the one that a mistyped id may mean."""

import re
from difflib import get_close_matches
from importlib import import_module

import gymnasium as gym
from gymnasium.envs.registration import EnvSpec


def require_registered(env_id: str, name: str = "env_id") -> None:
    """Import an environment's module, if its id names one, and check that it is registered.

    Args:
        env_id: registered id, or ``"module:id"``.
        name: name of the setting, for the message.

    Raises:
        TypeError: the id is no text.
        ValueError: there is no such module or environment; the message has the id that may be meant.
    """
    if not isinstance(env_id, str):
        raise TypeError(f"{name} must be the id of a registered environment, a text, got {env_id!r}")
    module, _, wanted = env_id.rpartition(":")
    try:
        if module:
            import_module(module)
    except (ImportError, ValueError) as error:
        raise ValueError(
            f"{name} names the module {module}, which cannot be imported: {error}; correct its name, or install what "
            "is missing"
        ) from None
    try:
        gym.spec(wanted)
    except (gym.error.Error, ValueError) as error:
        # Gymnasium's own suggestion looks in one namespace only.
        reason = str(error).partition(" Did you mean")[0].rstrip(".")
        near = get_close_matches(_bare(wanted), map(_bare, gym.registry), n=1, cutoff=0.8)
        alike = [each for each in gym.registry if [_bare(each)] == near]  # in several namespaces and versions
        imported = f"{module}:" if module not in ("", "gbplan") else ""  # gbplan is imported in any case
        # Of `push_t`, gbplan's own is meant, although other packages have a PushT, too.
        alike = [each for each in alike if "/" in wanted or each.startswith("gbplan/")] or alike
        meant = f"; did you mean {imported}{get_close_matches(wanted, alike, cutoff=0)[0]}? Or" if near else ";"
        package = module.partition(".")[0]
        own = sorted(each for each, spec in gym.registry.items() if package and _package_of(spec) == package)
        hint = f"{meant} write module:id to import the module that registers it first"
        if own and not near:
            hint = f"; the package {package} registers {', '.join(own)}"
        raise ValueError(f"{name} names no registered environment: {reason}{hint}") from None


def _package_of(spec: EnvSpec) -> str:
    """Return the package of an environment's class or function."""
    made_by = spec.entry_point
    path = made_by if isinstance(made_by, str) else getattr(made_by, "__module__", "")
    return path.partition(":")[0].partition(".")[0]


def _bare(env_id: str) -> str:
    """Return an id without its namespace, version, case and underscores."""
    return re.sub(r"-v\d+$", "", env_id.rpartition("/")[2]).casefold().replace("_", "")
