"""Safe writing: folders checked before the work, files that appear only when complete, one command per folder."""

import errno
import io
import os
import re
import secrets
import shutil
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Literal, cast

from filelock import FileLock, Timeout

_HOST = socket.gethostname().replace(".", "-")
_WEEK = 7 * 24 * 3600

BROKEN = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.ESTALE)
"""Error numbers of a disk that is full or broken."""


class WriteError(OSError):
    """A file could not be written; the earlier file is unchanged."""


def require_writable_folder(folder: Path) -> None:
    """Make a folder if it does not exist, and check that files can be made in it.

    Raises:
        PermissionError: files may not be made there.
        WriteError: files cannot be made, because the disk is full or broken.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        kind = WriteError if error.errno in BROKEN else PermissionError
        raise kind(
            f"cannot write to {folder} ({error.strerror}); choose another folder or change its permissions"
        ) from None


# --------------------------------------------------------------------------------------------------- complete or not


class _Steady(io.FileIO):
    """A file object that stores its first error instead of raising it.

    Some libraries fail a second time when they close a file after a failed write, which hides the reason, and HDF5
    crashes. So this object reports success, and the error is raised when the library is done.
    """

    def __init__(self, draft: Path, target: Path) -> None:
        super().__init__(draft, "w+")
        self.target = target
        self.error: OSError | None = None

    def _attempt(self, operation: Callable[[Any], int], argument: Any, otherwise: int) -> int:
        if self.error is None:
            try:
                return operation(argument)
            except OSError as error:
                self.error = error
        return otherwise

    def write(self, data: Any) -> int:
        return self._attempt(super().write, data, memoryview(data).nbytes)

    def truncate(self, size: int | None = None) -> int:
        return self._attempt(super().truncate, size, size or 0)


@contextmanager
def replacing(path: Path, mode: Literal["w", "wb"] = "w") -> Iterator[IO[Any]]:
    """Open a file that appears under ``path`` only when it is complete and on the disk.

    It is written beside its target, on the same file system, and replaces the target in one step.

    Args:
        path: the file.
        mode: ``w`` for text, ``wb`` for bytes, which may also be read back.

    Raises:
        WriteError: it cannot be written; earlier files are unchanged.
    """
    with _reporting(path):
        raw = _Steady(draft := _draft(path), path)
    try:
        binary = io.BufferedRandom(raw)
        with binary if mode == "wb" else io.TextIOWrapper(binary, encoding="utf-8", newline="") as file:
            yield file
            finish(file)
        with _reporting(path):
            draft.replace(path)
            _sync(path.parent)
    finally:
        draft.unlink(missing_ok=True)


def finish(file: IO[Any]) -> None:
    """Flush a file of ``replacing`` to the disk early, so that several files can appear together.

    Raises:
        WriteError: something could not be written.
    """
    file.flush()
    require_written(file)
    with _reporting(_raw(file).target):
        os.fsync(file.fileno())


def require_written(file: IO[Any]) -> None:
    """Raise the stored error of a file of ``replacing`` early, to save further work.

    Raises:
        WriteError: something could not be written.
    """
    raw = _raw(file)
    with _reporting(raw.target):
        if raw.error is not None:
            raise raw.error


def _raw(file: IO[Any]) -> _Steady:
    binary: Any = getattr(file, "buffer", file)
    return cast(_Steady, binary.raw)


@contextmanager
def replacing_folder(path: Path, overwrite: bool = True) -> Iterator[Path]:
    """Make a folder that appears under ``path`` only when its files are complete and on the disk.

    Args:
        path: the folder.
        overwrite: replace an existing folder.

    Raises:
        WriteError: it cannot be written; earlier files are unchanged.
    """
    with _reporting(path):
        (draft := _draft(path)).mkdir()
    old = draft.with_suffix(".old")
    try:
        yield draft
        with _reporting(path):
            for each in [*draft.rglob("*"), draft]:
                _sync(each)
            try:
                if overwrite and path.exists():
                    path.rename(old)
                draft.rename(path)
            except BaseException:  # also on an interrupt
                if old.exists() and not path.exists():
                    old.rename(path)
                raise
            _sync(path.parent)
    except OSError as error:
        if str(draft) not in str(error):
            raise
        raise WriteError(str(error).replace(str(draft), str(path))) from None
    finally:
        shutil.rmtree(draft, ignore_errors=True)
        if path.exists():
            shutil.rmtree(old, ignore_errors=True)


@contextmanager
def _reporting(path: Path) -> Iterator[None]:
    """Turn a disk's error into a WriteError that names the file and says that the old one is unchanged."""
    try:
        yield
    except OSError as error:
        raise WriteError(
            f"cannot write {path} ({error.strerror}); what was there before is unchanged, so make room, or correct the "
            "folder, and run the command again"
        ) from None


def _sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno != errno.EINVAL:  # a file system that cannot sync folders
            raise
    finally:
        os.close(handle)


def _draft(path: Path) -> Path:
    """Name an incomplete file: hidden, beside its target, with its writer's host and process.

    The name has a random part, because two containers may share a host name and a process number.
    """
    sweep(path.parent)
    return path.with_name(f".{path.name}.{_HOST}.{os.getpid()}-{secrets.token_hex(4)}.draft")


def sweep(folder: Path) -> None:
    """Remove files that killed processes left in a folder, and restore a file that one of them was replacing."""
    for path in folder.glob(".*"):
        found = re.fullmatch(r"\.(.+)\.([^.]+)\.(\d+)(?:-[0-9a-f]+)?\.(draft|old)", path.name)
        if found is None or _is_at_work(path, found[2], int(found[3])):
            continue
        with suppress(OSError):  # another process sweeps as well, or the folder is read-only
            if found[4] == "old" and not path.with_name(found[1]).exists():
                path.rename(path.with_name(found[1]))
            elif path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()


def _is_at_work(path: Path, host: str, pid: int) -> bool:
    """Whether a draft's writer may still run: its process on this host exists, and the draft is younger than a week."""
    try:
        if host == _HOST:
            os.kill(pid, 0)
        return time.time() - path.stat().st_mtime < _WEEK
    except (ProcessLookupError, FileNotFoundError):
        return False
    except OSError:  # a process of another user
        return True


# --------------------------------------------------------------------------------------------- one command per folder


@contextmanager
def locked(folder: Path, lock: Path) -> Iterator[None]:
    """Lock a folder for writing by this command.

    The operating system locks a file: the lock ends with the process, however that ends, and network file systems
    support it. The file's text only tells other commands who has the lock. The same process may lock it again.

    Args:
        folder: the folder to write into.
        lock: the lock's file, in an existing folder.

    Raises:
        BlockingIOError: another command writes there; the message names it.
    """
    held = FileLock(lock, timeout=0, is_singleton=True)
    try:
        held.acquire()
    except Timeout:
        found = lock.read_text().split() if lock.exists() else []
        other = "process {} on {}".format(*found) if len(found) == 2 else "another command"
        raise BlockingIOError(
            f"{other} is writing into {folder}; wait until it has ended, or choose another folder or name"
        ) from None
    except OSError as error:
        raise WriteError(f"cannot write to {folder} ({error.strerror}); make room there") from None
    owner = f"{os.getpid()}\n{socket.gethostname()}\n"
    with suppress(OSError):  # a full disk
        if lock.read_text() != owner:
            lock.write_text(owner)
    try:
        yield
    finally:
        if held.lock_counter == 1:
            lock.unlink(missing_ok=True)
        held.release()


@contextmanager
def locked_folder(folder: Path) -> Iterator[None]:
    """Lock a folder, which is made if it does not exist, and removed again if it stays empty.

    Raises:
        BlockingIOError: another command writes there.
        PermissionError: files cannot be made there.
    """
    is_new = not folder.exists()
    require_writable_folder(folder)
    try:
        with locked(folder, folder / ".lock"):
            sweep(folder)
            yield
    finally:
        if is_new:
            with suppress(OSError):  # not empty
                folder.rmdir()
