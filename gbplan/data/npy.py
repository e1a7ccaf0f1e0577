"""``.npy`` files of arrays too large for memory."""

import math
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import numpy as np
import torch
from numpy.lib import format as npy
from numpy.typing import NDArray
from torch import Tensor

from gbplan.files import replacing, require_written


class NpyWriter:
    """Writes an array row by row, before the number of rows is known."""

    def __init__(self, path: Path) -> None:
        """Begin a file, which appears under its name when complete.

        Args:
            path: the file, ``*.npy``.
        """
        self._replacing = replacing(path, "wb")
        self._file: IO[Any] = self._replacing.__enter__()
        self._header: dict[str, Any] = {}
        self.rows = 0

    def append(self, rows: NDArray) -> None:
        """Write rows ``(n, ...)``; all must have the shape and type of the first."""
        if not self._header:
            self._header = {"descr": rows.dtype.str, "fortran_order": False, "shape": (0, *rows.shape[1:])}
            npy.write_array_header_1_0(self._file, self._header)  # has room for any number of rows
        self._file.write(np.ascontiguousarray(rows).data)
        self.rows += len(rows)
        require_written(self._file)

    def __enter__(self) -> "NpyWriter":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if kind is None and self._header:
            self._file.seek(0)
            npy.write_array_header_1_0(self._file, self._header | {"shape": (self.rows, *self._header["shape"][1:])})
        self._replacing.__exit__(kind, error, at)


def map_npy(path: Path) -> Tensor:
    """Map an array in a file as a tensor, without reading it; writing to the tensor does not change the file.

    Without NumPy's memmap, which keeps one file open for each: a long run has more files than a process may open.

    Raises:
        OSError: the file does not exist.
        ValueError: the file is damaged.
    """
    with path.open("rb") as file:
        npy.read_magic(file)
        shape, _, dtype = npy.read_array_header_1_0(file)
        begin = file.tell()
    size = begin + math.prod(shape) * dtype.itemsize
    if path.stat().st_size != size:
        raise ValueError(f"{path} has {path.stat().st_size} bytes, expected {size}; it is damaged, remove it")
    stored = torch.UntypedStorage.from_file(str(path), shared=False, nbytes=size)
    whole = torch.empty(0, dtype=torch.uint8).set_(stored)  # type: ignore[arg-type]
    return whole[begin:].view(torch.from_numpy(np.empty(0, dtype)).dtype).view(shape)
