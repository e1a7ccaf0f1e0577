"""Arrays in ``.npy`` files that are too large for memory."""

from pathlib import Path
from types import TracebackType
from typing import IO, Any

import numpy as np
import torch
from numpy.lib import format as npy
from numpy.typing import NDArray
from torch import Tensor


class NpyWriter:
    """Writes an array row by row, when the number of rows is known only at the end."""

    def __init__(self, path: Path) -> None:
        """Begin a file.

        Args:
            path: the file, ``*.npy``.
        """
        self._file: IO[Any] = path.open("wb")
        self._header: dict[str, Any] = {}
        self.rows = 0

    def append(self, rows: NDArray) -> None:
        """Write rows ``(n, ...)``; all must have the shape and type of the first."""
        if not self._header:
            self._header = {"descr": rows.dtype.str, "fortran_order": False, "shape": (0, *rows.shape[1:])}
            npy.write_array_header_1_0(self._file, self._header)  # leaves room for any number of rows
        self._file.write(np.ascontiguousarray(rows).data)
        self.rows += len(rows)

    def __enter__(self) -> "NpyWriter":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if kind is None and self._header:
            self._file.seek(0)
            npy.write_array_header_1_0(self._file, self._header | {"shape": (self.rows, *self._header["shape"][1:])})
        self._file.close()


def map_npy(path: Path) -> Tensor:
    """Look at an array in a file as a tensor, without reading it; what is written to the tensor leaves the file alone.

    Raises:
        OSError, ValueError: there is no such file, or it is damaged.
    """
    return torch.from_numpy(np.load(path, mmap_mode="c"))
