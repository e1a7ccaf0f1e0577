"""Cached files made from a dataset, once."""

import hashlib
import json
import re
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lightning.pytorch.utilities import rank_zero_info

from gbplan.data.dataset_reader import StoredDataset
from gbplan.data.processes import Once, alone
from gbplan.files import WriteError, replacing_folder, require_writable_folder
from gbplan.untrusted import read_json

FORMAT = 1
"""Version of the files' layout; files of another version are made again."""

_MANIFEST = "manifest.json"


def dataset_digest(stored: StoredDataset) -> str:
    """Hash a dataset's files without reading all of them.

    The hash covers the name and size of each file, and 256 blocks of 16 KiB evenly spread over it, so small files,
    among them the metadata, are covered in full. A change between two blocks that keeps the size is not detected; no
    writer of Minari datasets makes such changes.
    """
    digest = hashlib.sha256()
    data = stored.folder / "data"
    for path in sorted(path for path in data.rglob("*") if path.is_file()):
        size = path.stat().st_size
        digest.update(f"{path.relative_to(data)} {size}\n".encode())
        block, count = 16 * 1024, 256
        with path.open("rb") as file:
            if size <= block * count:
                digest.update(file.read())
                continue
            for i in range(count):
                file.seek((size - block) * i // (count - 1))
                digest.update(file.read(block))
    return digest.hexdigest()


class DatasetCache:
    """Folder of files made of one dataset.

    Existing files are used only if their manifest names this dataset by the hash of its contents, the format, and
    everything else they were made of; otherwise they are made again. Files appear only when they are complete.

    Attributes:
        dataset_id: id of the dataset.
        folder: the folder of the files.
    """

    def __init__(self, stored: StoredDataset, cache_dir: str | None, once: Once) -> None:
        """Choose the folder.

        Args:
            stored: the dataset.
            cache_dir: folder of the caches of all datasets; None: ``cache`` in the dataset's own folder, or, where
                that cannot be written, a temporary folder that is removed with this object.
            once: runs a function in one of several processes, and returns its result in all.

        Raises:
            PermissionError: ``cache_dir`` cannot be written.
        """
        self.dataset_id, self._digest, self._once = stored.info.dataset_id, dataset_digest(stored), once
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        root = stored.folder / "cache" if cache_dir is None else Path(cache_dir, self.dataset_id).absolute()
        try:
            require_writable_folder(root)
        except PermissionError:
            if cache_dir is not None:
                raise
            self._temporary = tempfile.TemporaryDirectory(prefix="gbplan-cache-", ignore_cleanup_errors=True)
            root = Path(self._temporary.name)
            self._once = alone  # each process has its own temporary folder
            rank_zero_info(f"{stored.folder} cannot be written, so its cache is temporary; choose a lasting cache_dir")
        # In a dataset's own folder, files that are not of its present state are of an earlier one.
        self._removes_earlier = cache_dir is None
        self.folder = root / self._digest[:12]

    def made(self, name: str, make: Callable[[Path], None], **made_of: Any) -> Path:
        """Return a folder of files, which are made if they do not exist.

        Args:
            name: name of the folder.
            make: writes the files into a folder.
            made_of: everything else that the files depend on, apart from the dataset; plain data.

        Returns:
            The folder.
        """
        target = self.folder / name
        manifest = {"format": FORMAT, "dataset": self.dataset_id, "sha256": self._digest, **made_of}

        def make_if_needed() -> None:
            if not _holds(target, manifest):
                self._make(target, make, manifest)

        self._once(make_if_needed)
        return target

    def _make(self, target: Path, make: Callable[[Path], None], manifest: dict[str, Any]) -> None:
        if target.exists():
            rank_zero_info(f"the cache {target} is incomplete, or made of another dataset or encoder; it is made again")
            shutil.rmtree(target)
        if self._removes_earlier:
            for other in target.parent.parent.iterdir():
                if other != target.parent and re.fullmatch("[0-9a-f]{12}", other.name):
                    rank_zero_info(f"the cache {other} is of an earlier state of {self.dataset_id}; it is removed")
                    shutil.rmtree(other, ignore_errors=True)
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            with replacing_folder(target, overwrite=False) as draft:
                make(draft)
                sizes = {path.name: path.stat().st_size for path in sorted(draft.iterdir())}
                (draft / _MANIFEST).write_text(json.dumps({**manifest, "files": sizes}))
        except WriteError:
            if not _holds(target, manifest):  # else another training was faster
                raise


def _holds(folder: Path, manifest: dict[str, Any]) -> bool:
    """Whether a folder's files are complete and its manifest is this one."""
    try:
        found = read_json(folder / _MANIFEST)
        sizes = found.pop("files")
        same = found == manifest
        return same and all((folder / name).stat().st_size == size for name, size in sizes.items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False
