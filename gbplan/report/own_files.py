"""What ``gbplan report`` has made says so, and is made again without asking; nothing else is replaced."""

from pathlib import Path

MARK = "made by gbplan report"
"""Stands near the beginning of every file that ``gbplan report`` writes."""


def require_own(path: Path, overwrite: bool = False) -> None:
    """Check that a file may be replaced, if there is one.

    Args:
        path: what is to be written.
        overwrite: whether anything may be replaced.

    Raises:
        IsADirectoryError: it is a folder.
        FileExistsError: it is a file of others, and not empty.
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
