"""Writing files: folders checked before the work, and files that appear only when they are complete."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Literal


def require_writable_folder(folder: Path) -> None:
    """Make a folder if it is not there, and check that files can be made in it.

    Raises:
        PermissionError: they cannot.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise PermissionError(
            f"cannot write to {folder} ({error.strerror}); choose another folder or change its permissions"
        ) from None


@contextmanager
def replacing(path: Path, mode: Literal["w", "wb"] = "w") -> Iterator[IO[Any]]:
    """Open a file that appears under ``path`` only when it is complete."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with draft.open(mode, newline="" if mode == "w" else None) as file:
            yield file
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
