"""Folders of Minari datasets on this machine."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from minari.dataset.minari_dataset import DATASET_ID_RE
from minari.storage.datasets_root_dir import get_dataset_path

from gbplan.files import locked, require_writable_folder, sweep


def dataset_folder(dataset_id: str, root: str | Path | None = None) -> Path:
    """Return the folder of a dataset, whether it exists or not.

    Args:
        dataset_id: ``name-v0``, or ``namespace/name-v0``.
        root: folder of all datasets; None: Minari's own (``$MINARI_DATASETS_PATH``, else ``~/.minari/datasets``).

    Raises:
        ValueError: the id is not of that form.
    """
    # Minari's own pattern, too, which requires two characters before the first slash.
    if not re.fullmatch(r"([-\w]+/)*[-\w]+-v\d+", dataset_id) or not DATASET_ID_RE.fullmatch(dataset_id):
        raise ValueError(
            "a dataset id looks like 'my-env/expert-v0' (two or more of letters, digits, - and _, then -v and a "
            f"number), got {dataset_id!r}"
        )
    # absolute, because Minari's readers would resolve a relative path twice
    return Path(root, dataset_id).absolute() if root is not None else get_dataset_path(dataset_id)


def list_datasets(root: str | Path | None = None) -> list[str]:
    """Ids of the datasets in ``root``, sorted."""
    folder = Path(root) if root is not None else get_dataset_path()
    found = [path.parent.parent.relative_to(folder) for path in folder.glob("**/data/metadata.json")]
    return sorted(path.as_posix() for path in found if not any(part.startswith(".") for part in path.parts))


def require_writable(dataset_id: str, root: str | Path | None = None, overwrite: bool = False) -> None:
    """Check that a dataset of this id may be written, and make the folders above it.

    Raises:
        FileExistsError: the dataset exists already, and ``overwrite`` is False.
        PermissionError: its folder cannot be made or written into.
    """
    folder = dataset_folder(dataset_id, root)
    if folder.exists() and not overwrite:
        raise FileExistsError(
            f"the dataset {dataset_id} is already there ({folder}); choose another id, or replace it with --overwrite"
        )
    require_writable_folder(folder.parent)


@contextmanager
def writing(dataset_id: str, root: str | Path | None = None, overwrite: bool = False) -> Iterator[None]:
    """Lock a dataset's id for writing.

    Raises:
        BlockingIOError: another command is writing it.
        FileExistsError, PermissionError: see ``require_writable``.
    """
    require_writable(dataset_id, root, overwrite)
    folder = dataset_folder(dataset_id, root)
    with locked(folder, folder.with_name(f".{folder.name}.lock")):
        sweep(folder.parent)
        require_writable(dataset_id, root, overwrite)  # another command may have been faster
        yield
