"""Files of ``gbplan report`` carry a mark: only marked files are replaced without ``--overwrite``."""

from pathlib import Path

MARK = "made by gbplan report"
"""Mark near the beginning of every file that ``gbplan report`` writes."""


def require_own(path: Path, overwrite: bool = False) -> None:
    """Check that a file may be replaced, if there is one.

    Args:
        path: file to write.
        overwrite: whether any file may be replaced.

    Raises:
        IsADirectoryError: ``path`` is a folder.
        FileExistsError: the file exists, is not empty and does not carry the mark.
    """
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder; name a file in it")
    if overwrite or not path.exists():
        return
    with path.open("rb") as file:
        beginning = file.read(4096)
    if beginning and MARK.encode() not in beginning:
        raise FileExistsError(
            f"{path} is there, and does not say that gbplan report made it; choose another name, or replace it with "
            "--overwrite"
        )
