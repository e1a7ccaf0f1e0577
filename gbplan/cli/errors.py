"""The message of a failed command: one line."""

import inspect
import re
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from traceback import walk_tb

import gymnasium as gym

from gbplan.files import BROKEN, WriteError


def loaded_class(module: str, name: str) -> type | tuple[()]:
    """Return a class, or no class if its module is not loaded, so that nothing can be an instance."""
    return getattr(sys.modules.get(module), name, ())


def is_full(error: BaseException) -> bool:
    """Whether the memory or disk is full, or a folder has gone: errors of the machine, not bad input."""
    if isinstance(error, OSError):
        return isinstance(error, WriteError) or error.errno in BROKEN
    # On the CPU torch raises a plain RuntimeError.
    memory = (MemoryError, loaded_class("torch", "OutOfMemoryError"))
    return isinstance(error, memory) or "can't allocate memory" in str(error)


def disk_behind(error: Exception) -> Exception:
    """Return the disk's failure behind an error that a library raised from it; else the error itself."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, OSError) and is_full(seen):
            return seen
        seen = seen.__cause__ or seen.__context__
    return error


def quiet_in_threads(failed: threading.ExceptHookArgs) -> None:
    """Let the main thread report a disk's failure, which it meets at its next write."""
    if failed.exc_value is None or not is_full(failed.exc_value):
        threading.__excepthook__(failed)


def is_environments_own(error: Exception) -> bool:
    """Whether an error comes from ``step`` or ``reset`` of a user's environment: a bug there, not bad input."""
    for frame, _ in walk_tb(error.__traceback__):
        room = frame.f_globals.get("__name__", "").partition(".")[0]
        if frame.f_code.co_name in ("step", "reset") and room not in ("gbplan", "gymnasium"):
            return isinstance(frame.f_locals.get("self"), gym.Env | gym.vector.VectorEnv)
    return False


def missing_file(args: Sequence[str]) -> str | None:
    """Name a yaml file of the command line that does not exist; jsonargparse takes its name for a class."""
    for argument in args:
        path = argument.rpartition("=")[2]
        if path.endswith((".yaml", ".yml")) and not Path(path).exists():
            return f"there is no file {path} (looked for in {Path.cwd()})"
    return None


@contextmanager
def naming_files(args: Sequence[str]) -> Iterator[None]:
    """Add the command line's yaml files to a constructor's message about a value, which cannot name them."""
    try:
        yield
    except (ValueError, TypeError) as error:
        files = [path for each in args if (path := each.rpartition("=")[2]).endswith((".yaml", ".yml"))]
        if not files:
            raise
        kind = TypeError if isinstance(error, TypeError) else ValueError
        # On a line of its own, because the last lines of jsonargparse's messages are left out.
        raise kind(f"{error}\n(correct it in {' or '.join(files)}, or in the command)") from error


# Base classes of the arguments that are objects of a class, by the argument's name.
_BASES = {
    "attack": "gbplan.attacks:Attack",
    "encoder": "gbplan.networks:Encoder",
    "model": "gbplan.modules:WorldModelModule",
    "noise": "gbplan.planners.noise:Noise",
    "objective": "gbplan.objectives:Objective",
    "planner": "gbplan.planners:Planner",
    "policy": "gbplan.envs:Policy",
    "predictor": "gbplan.networks:Predictor",
    "regularizer": "gbplan.modules:Regularizer",
}


def unknown_class(message: str) -> str | None:
    """Name the argument whose class does not exist, and the class that may be meant; None: this is not the error."""
    absent = r"class_path '([\w.]*?(\w+))':\s+module '[\w.]+' has no attribute '\2'"
    found = re.search(rf"{absent}|Expected a dot import path string: (.*)", message)
    keys = re.findall(r'Parser key "([\w.]+)"', message[: found.start()]) if found else []
    if found is None or not keys:
        return None
    given = found[1] or found[3]
    named = f"names the class {given}, which does not exist" if given else "names no class"
    module, _, base = _BASES.get(keys[-1].rpartition(".")[2], "").partition(":")
    known = sorted(_subclasses(getattr(import_module(module), base))) if module else []
    near = get_close_matches(given.rpartition(".")[2], known, n=1)
    meant = f"did you mean {near[0]}? " if near else ""
    listed = f"known are {', '.join(known)}" if known else "correct it"
    return f"{'.'.join(keys)} {named}; {meant}{listed}, or give your own as module.Class"


def _subclasses(base: type) -> set[str]:
    # An evaluation makes its own classes by itself.
    ours = base.__module__.startswith("gbplan.") and not base.__module__.startswith("gbplan.evaluation.")
    own = {base.__name__} if ours and not inspect.isabstract(base) else set()
    children: list[type] = base.__subclasses__()
    return own.union(*map(_subclasses, children))


def base_missing(message: str) -> str | None:
    """Say that a class or its model is missing, as in a file that only changes another; None: they are not."""
    lost = r"""Option '\w+' is not accepted.*class_path='typing.Union'|arguments are required: world_model"""
    keys = re.findall(r'Parser key "([\w.]+)"', message)
    if not keys or not re.search(lost, message):
        return None
    return (
        f"the configuration is not complete ({'.'.join(keys)}); if a --config file changes another one, give that "
        "other one before it: the first line of such a file shows the command"
    )


def type_missing(message: str) -> str | None:
    """Name the argument of a user's class that has no type; None: this is not the error."""
    found = re.search(r"Parameter '(\w+)' from '([\w.]+?)(?:\.__init__)?' does not specify a type", message)
    if found is None:
        return None
    return (
        f"the argument {found[1]} of {found[2]} has no type, which the command line needs; write `{found[1]}: int`, say"
    )


def option_meant(message: str) -> str:
    """Name the option of a class that a mistyped one may mean, to be added to the message; empty: none is near."""
    mistyped = r"class_path '([\w.]+)\.(\w+)':\s+(?:Option '|unrecognized arguments: --)(\w+)"
    found = re.search(mistyped, message)
    kind = loaded_class(found[1], found[2]) if found else ()
    near = get_close_matches(found[3], inspect.signature(kind).parameters, n=1) if found and kind else []
    return f"; did you mean {near[0]}?" if near else ""


def one_line(message: str) -> str:
    """Condense a message; jsonargparse lists every alternative of an optional type, and only one matters."""
    noise = ("Does not validate", "- Does not validate", "Subtypes:", "Errors:", "- Expected a <class 'NoneType'>")
    lines = [line.strip() for line in message.splitlines()]
    kept = [line for line in lines if line and not line.startswith((*noise, "Given value", "- Expected a path but"))]
    condensed = " ".join(line.removeprefix("- ") for line in kept)
    return re.sub(
        r"""Parser key "([\w.]+)": Expected a <class '[\w.]*(?:Sequence|list)'>\. Got value: (\S+)$""",
        r"--\1 takes a list: write '[\2]'",
        condensed,
    )
