"""Whether a folder can be written into, known before the work and not after it."""

import tempfile
from pathlib import Path


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
