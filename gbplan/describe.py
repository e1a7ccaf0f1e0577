"""Descriptions of objects by their settings, as plain data: for results, checkpoints and messages."""

from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np


def describe(value: Any) -> Any:
    """Describe a value by numbers, texts, lists and dicts.

    Args:
        value: any value. An object is described by its class and its settings: the public fields of a dataclass, or
            else its public attributes.

    Returns:
        Plain data; for an object, ``{"class": its name, setting: description, ...}``.
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, set | frozenset):  # in an order that is the same in every process
        return sorted((describe(item) for item in value), key=repr)
    if isinstance(value, list | tuple | range):
        return [describe(item) for item in value]
    if isinstance(value, dict):
        return {str(key): describe(item) for key, item in value.items()}
    if not hasattr(value, "__dict__") or isinstance(value, type) or hasattr(value, "__name__"):
        return getattr(value, "__qualname__", type(value).__qualname__)
    # Other attributes of a dataclass are computed from its fields, or read from files.
    settings = {f.name: getattr(value, f.name) for f in fields(value)} if is_dataclass(value) else vars(value)
    public = {key: describe(item) for key, item in settings.items() if not key.startswith("_")}
    return {"class": type(value).__qualname__, **public}


def as_text(description: Any) -> str:
    """Write a description as a constructor call: ``MixedPolicy(policies=[RandomPolicy()])``."""
    if isinstance(description, list):
        return f"[{', '.join(map(as_text, description))}]"
    if not isinstance(description, dict):
        return repr(description)
    settings = dict(description)
    if "class" in settings:
        name = settings.pop("class")
        return f"{name}({', '.join(f'{key}={as_text(item)}' for key, item in settings.items())})"
    return f"{{{', '.join(f'{key!r}: {as_text(item)}' for key, item in settings.items())}}}"


def differences(old: Any, new: Any, name: str = "") -> list[str]:
    """List the differences of two descriptions, as ``name: old, now new``."""
    if isinstance(old, dict) and isinstance(new, dict):
        found = []
        for key in dict.fromkeys([*old, *new]):
            inner = f"{name}.{key}" if name else key
            found += differences(old.get(key, "absent"), new.get(key, "absent"), inner)
        return found
    return [] if old == new else [f"{name}: {old}, now {new}"]
