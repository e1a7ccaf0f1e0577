"""Guards against harmful datasets: no code, no links to other files, no false sizes.

Datasets are downloaded from strangers. Minari reads some of them by making the environment that they name, and HDF5
follows links to any file, so metadata and files are checked before either library reads them.
"""

import json
import math
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from h5py import h5a, h5d, h5l, h5o, h5t

from gbplan.untrusted import read_json

MOST_COMPRESSED = 1100
"""Largest believable ratio of an array's bytes to those of its file: deflate, the best of HDF5's own, reaches 1,032."""

_SMALL = 2**16  # bytes that any array may claim
_DEEPEST = 32  # groups within groups
_PLAIN = {h5t.INTEGER, h5t.FLOAT, h5t.ENUM, h5t.STRING}


def require_harmless(data: Path) -> None:
    """Check a Minari dataset before it is opened.

    Args:
        data: the dataset's ``data`` folder.

    Raises:
        OSError: a file does not exist or cannot be read.
        ValueError: the metadata are not a mapping with both spaces and a believable number of episodes, or a HDF5 file
            has links, two names for one thing, or attributes that are neither numbers nor text. Its arrays are checked
            when they are read, by ``require_harmless_array``.
    """
    _require_metadata(data / "metadata.json", sum(path.stat().st_size for path in data.rglob("*") if path.is_file()))
    for path in sorted(data.glob("*.hdf5")):
        if not path.stat().st_size:
            continue  # the file that Minari makes before the first episode
        _require_own_contents(path)


def _require_metadata(path: Path, stored: int) -> None:
    metadata = read_json(path)
    if not isinstance(metadata, dict):
        raise ValueError(f"{path.name} must hold a mapping, got {type(metadata).__name__}")
    for name in ("observation_space", "action_space"):
        if not isinstance(metadata.get(name), str):
            raise ValueError(
                f"{path.name} lacks the {name}; to find it, Minari would make the environment that the dataset names, "
                "which can run any code; write both spaces into the file if you trust it"
            )
        _require_space(metadata[name], f"the {name} in {path.name}")
    if (described := metadata.get("env_spec")) is not None:
        spec = _parsed(described, f"the env_spec in {path.name}")
        if not isinstance(spec.get("id"), str) or not isinstance(spec.get("kwargs", {}), dict):
            raise ValueError(f"the env_spec in {path.name} must have an id and keyword arguments, got {described:.80}")
    for name in ("total_episodes", "total_steps"):
        count = metadata.get(name)
        if type(count) is not int or not 0 <= count <= stored:
            raise ValueError(f"{path.name} must count its {name} in {stored:,} bytes of data, got {count!r:.80}")


def _require_space(text: str, name: str) -> None:
    """Check that a space is a mapping of numbers with a type, which Gymnasium does not."""
    spaces = [_parsed(text, name)]
    while spaces:
        space = spaces.pop()
        if not isinstance(space, dict):
            raise ValueError(f"{name} must be a mapping, got {space!r:.80}")
        within = space.get("subspaces", [])
        spaces += within.values() if isinstance(within, dict) else within
        if "dtype" in space and (not isinstance(space["dtype"], str) or _kind(space["dtype"]) not in "biuf"):
            raise ValueError(f"{name} must be of numbers, got dtype {space['dtype']!r:.80}")


def _parsed(text: Any, name: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (TypeError, ValueError, RecursionError):
        raise ValueError(f"{name} is not JSON") from None
    if not isinstance(found, dict):
        raise ValueError(f"{name} must be a mapping, got {text:.80}")
    return found


def _kind(dtype: str) -> str:
    try:
        return np.dtype(dtype).kind
    except TypeError:
        return "?"


def _require_own_contents(path: Path) -> None:
    """Check that the contents of a HDF5 file are in the file itself, once, and that group attributes are harmless."""
    places: set[int] = set()

    def wrong(name: bytes, link: Any) -> str | None:
        if link.type != h5l.TYPE_HARD:
            return f"has a link at {name!r:.80}, which may lead anywhere"
        if link.u in places:
            return f"has two names for what is at {name!r:.80}"
        if name.count(b"/") > _DEEPEST:  # deeper nesting crashes HDF5 itself
            return f"has more than {_DEEPEST} groups within groups"
        places.add(link.u)
        return None

    with h5py.File(path, "r") as file:
        found = file.id.links.visit(wrong, info=True)
        if found is not None:
            raise ValueError(f"{path.name} {found}")
        for name in file.id:
            group = h5o.open(file.id, name)
            for i in range(h5a.get_num_attrs(group)):
                if h5a.open(group, index=i).get_type().get_class() not in _PLAIN:
                    raise ValueError(f"{path.name} has attributes of {name!r:.80} that are neither numbers nor text")


def require_harmless_array(array: h5d.DatasetID, name: str) -> None:
    """Check an array of a HDF5 file before it is read.

    Raises:
        ValueError: it is stored in other files, is neither numbers nor text, or claims more bytes than its
            data in the file can unpack to.
    """
    made = array.get_create_plist()
    if made.get_layout() == h5d.VIRTUAL or made.get_external_count():
        raise ValueError(f"{name} is stored in other files")
    kind = array.get_type()
    plain = kind.get_super() if isinstance(kind, h5t.TypeVlenID) else kind  # pictures as JPEG
    if plain.get_class() not in _PLAIN:
        raise ValueError(f"{name} has neither numbers nor text")
    claimed, most = math.prod(array.shape) * kind.get_size(), MOST_COMPRESSED * array.get_storage_size() + _SMALL
    if claimed > most:
        raise ValueError(f"{name} claims {claimed:,} bytes, more than its data in the file can unpack to ({most:,})")


def require_harmless_arrays(path: Path) -> None:
    """Check all arrays of a HDF5 file; see ``require_harmless_array``."""

    def check(name: str, found: Any) -> None:
        if isinstance(found, h5py.Dataset):
            require_harmless_array(found.id, name)

    with h5py.File(path, "r") as file:
        file.visititems(check)
