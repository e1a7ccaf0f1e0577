"""What an object was configured with, as plain data that a checkpoint can hold and a message can name."""

from typing import Any

import numpy as np


def plain(value: Any) -> Any:
    """Describe a value by numbers, texts, lists and dicts.

    Args:
        value: anything; an object is described by its class and its public attributes.
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, list | tuple | set | range):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if not hasattr(value, "__dict__") or isinstance(value, type) or hasattr(value, "__name__"):
        return getattr(value, "__qualname__", type(value).__qualname__)
    public = {key: plain(item) for key, item in vars(value).items() if not key.startswith("_")}
    return {"class": type(value).__qualname__, **public}


def differences(old: Any, new: Any, name: str = "") -> list[str]:
    """List what differs between two plain descriptions, as ``name: old, now new``."""
    if isinstance(old, dict) and isinstance(new, dict):
        found = []
        for key in dict.fromkeys([*old, *new]):
            inner = f"{name}.{key}" if name else key
            found += differences(old.get(key, "absent"), new.get(key, "absent"), inner)
        return found
    return [] if old == new else [f"{name}: {old}, now {new}"]
