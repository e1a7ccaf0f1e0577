"""Reading JSON that others wrote: of bounded size and depth, and with one line where it is not what it should be."""

import json
from pathlib import Path
from typing import Any

MOST_MIB = 64
"""Largest JSON file that is read; the largest of our own, results of a thousand horizons, have less than one."""


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        OSError: there is no such file, or it cannot be read.
        ValueError: it is too large or too deep, or not JSON.
    """
    size = path.stat().st_size
    if size > MOST_MIB * 2**20:
        raise ValueError(f"{path} has {size:,} bytes, more than {MOST_MIB} MiB of JSON are not read")
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except RecursionError:
        raise ValueError(f"{path} is nested too deeply") from None
    except ValueError as error:
        raise ValueError(f"{path} is not JSON ({error})") from None
