"""Files are whole or not there, whatever writes them and whatever fails; folders have one writer."""

import csv
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from gbplan.cli import main
from gbplan.files import WriteError, locked, locked_folder, replacing, replacing_folder, require_written, sweep
from gbplan.modules import SafeCheckpointIO
from gbplan.plots.theme import save

DATA = np.arange(100_000.0)


@contextmanager
def small_files(limit=10_000):
    """No file of this process may be larger: a write beyond that fails, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def write_hdf5(path):
    with replacing(path, "wb") as file, h5py.File(file, "w") as stored:
        stored["data"] = DATA


def write_text(path):
    with replacing(path) as file:
        json.dump(DATA.tolist(), file)


def write_table(path):
    with replacing(path) as file:
        csv.writer(file).writerows(DATA.reshape(-1, 10).tolist())


def write_archive(path):
    with replacing(path, "wb") as file:
        np.savez(file, data=DATA)


def write_checkpoint(path):
    SafeCheckpointIO().save_checkpoint({"data": torch.from_numpy(DATA)}, path)


def write_figure(path):
    figure = Figure()
    figure.subplots().plot(np.random.default_rng(0).random(1000))
    save(figure, path)


def write_folder(path):
    with replacing_folder(path.parent / "folder") as folder:
        write_archive(folder / path.name)


WRITERS = [write_hdf5, write_text, write_table, write_archive, write_checkpoint, write_figure]


@pytest.mark.parametrize("write", [*WRITERS, write_folder])
def test_a_write_that_fails_is_one_error_and_leaves_the_old_file(tmp_path, write):
    target = tmp_path / "file.png"
    target.write_text("old")
    with small_files(), pytest.raises(WriteError, match=r"cannot write .*file.png \(File too large\); what was there"):
        write(target)
    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["file.png"]


@pytest.mark.parametrize("write", WRITERS)
def test_a_file_is_replaced_where_the_folder_of_temporary_files_cannot_be_used(tmp_path, write, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "on another file system"))
    target = tmp_path / "file.png"
    target.write_text("old")
    write(target)
    assert target.stat().st_size > 1000
    assert os.listdir(tmp_path) == ["file.png"]


def test_a_file_is_on_the_disk_before_it_takes_its_place(tmp_path, monkeypatch):
    calls, fsync, replace = [], os.fsync, Path.replace
    monkeypatch.setattr(os, "fsync", lambda handle: calls.append("fsync") or fsync(handle))
    monkeypatch.setattr(Path, "replace", lambda *paths: calls.append("rename") or replace(*paths))
    write_text(tmp_path / "file")
    assert calls == ["fsync", "rename", "fsync"]


def test_a_failure_is_heard_of_before_the_end_where_one_asks(tmp_path):
    def write():
        with replacing(tmp_path / "file", "wb") as file:
            file.write(bytes(100_000))
            require_written(file)
            pytest.fail("not heard of")

    with small_files(), pytest.raises(WriteError):
        write()


def test_a_folder_that_has_vanished_is_one_error(tmp_path):
    with pytest.raises(WriteError, match="No such file"):
        write_text(tmp_path / "gone" / "file")


def test_a_folder_is_replaced_as_a_whole(tmp_path):
    for name in ("a", "b"):
        with replacing_folder(tmp_path / "folder") as folder:
            (folder / name).write_text(name)
    assert os.listdir(tmp_path) == ["folder"]
    assert os.listdir(tmp_path / "folder") == ["b"]


# -------------------------------------------------------------------------------------------------------- leftovers


@pytest.fixture(scope="module")
def dead():
    with subprocess.Popen(["true"]) as process:
        return process.pid


def draft(folder, name, pid, host=None, kind="draft"):
    path = folder / f".{name}.{(host or socket.gethostname()).replace('.', '-')}.{pid}-0123abcd.{kind}"
    path.mkdir()
    (path / "file").write_text("half")
    return path


def test_what_a_killed_process_left_is_swept_by_the_next_that_writes_there(tmp_path, dead):
    ours = [draft(tmp_path, "last.ckpt", dead), draft(tmp_path, "other", 1, "elsewhere")]
    os.utime(ours[1], (0, 0))  # of another machine, and long ago
    older = tmp_path / f".config.yaml.{socket.gethostname().replace('.', '-')}.{dead}.draft"
    older.touch()  # as earlier versions named them
    others = [draft(tmp_path, "last.ckpt", os.getppid()), draft(tmp_path, "last.ckpt", 1, "elsewhere")]
    (tmp_path / ".hidden").write_text("mine")
    write_text(tmp_path / "file")
    assert {*os.listdir(tmp_path)} == {"file", ".hidden", *(path.name for path in others)}


def test_a_draft_of_this_process_is_its_own_and_is_recognised_when_that_is_dead(tmp_path, dead):
    # Two containers of one host name may have a process of one number: one writes here while the other begins.
    with (
        replacing(tmp_path / "file") as first,
        replacing(tmp_path / "file") as second,
        replacing_folder(tmp_path / "x"),
    ):
        first.write("first")
        second.write("second")
        drafts = [path.name for path in tmp_path.glob(".*.draft")]
        assert len(drafts) == 3
    assert {*os.listdir(tmp_path)} == {"file", "x"}
    assert (tmp_path / "file").read_text() == "first"  # which ended last
    for name in drafts:
        (tmp_path / name.replace(f".{os.getpid()}-", f".{dead}-")).touch()
    sweep(tmp_path)
    assert {*os.listdir(tmp_path)} == {"file", "x"}


def test_a_folder_whose_replacement_was_killed_between_two_renames_comes_back(tmp_path, dead):
    draft(tmp_path, "data", dead, kind="old")
    draft(tmp_path, "data", dead)
    sweep(tmp_path)
    assert os.listdir(tmp_path) == ["data"]
    draft(tmp_path, "data", dead, kind="old")  # after both
    sweep(tmp_path)
    assert os.listdir(tmp_path) == ["data"]


# ------------------------------------------------------------------------------------------------------- one writer


@pytest.fixture
def hold():
    """Let another process hold a lock until it is killed."""
    processes = []

    def hold(folder, lock):
        code = "import sys, time; from pathlib import Path; from gbplan.files import locked\n"
        code += "with locked(Path(sys.argv[1]), Path(sys.argv[2])):\n    print('held', flush=True); time.sleep(60)"
        processes.append(subprocess.Popen([sys.executable, "-c", code, folder, lock], stdout=subprocess.PIPE))
        assert processes[-1].stdout.readline() == b"held\n"
        return processes[-1]

    yield hold
    for process in processes:
        process.kill()
        process.communicate()


def test_a_second_command_is_refused_with_the_first_ones_name_until_that_is_killed(
    tmp_path, dataset_root, base_run, hold, capsys
):
    (tmp_path / "toys").mkdir()
    fit = [f"--config={base_run}/config.yaml", f"--trainer.default_root_dir={tmp_path}"]
    collect = ["--env_id=DoorWall-v0", "--dataset_id=toys/toy-v0", "--policy=RandomPolicy", f"--root={tmp_path}"]
    evaluate = ["--policy=RandomPolicy", "--tasks.env_id=DoorWall-v0", "--tasks.count=1", f"--output={tmp_path}"]
    first = hold(tmp_path, tmp_path / ".lock")
    second = hold(tmp_path / "toys" / "toy-v0", tmp_path / "toys" / ".toy-v0.lock")
    commands = {"fit": (fit, first), "evaluate": (evaluate, first), "collect": ([*collect, "--episodes=1"], second)}
    for name, (args, holder) in commands.items():
        with pytest.raises(SystemExit, match=r"^2$"):
            main([name, *args])
        line = capsys.readouterr().err.splitlines()[-1]
        assert f"error: process {holder.pid} on {socket.gethostname()} is writing into {tmp_path}" in line
    assert {*os.listdir(tmp_path)} == {".lock", "toys"}
    assert os.listdir(tmp_path / "toys") == [".toy-v0.lock"]
    for process in (first, second):
        process.send_signal(signal.SIGKILL)
        process.wait()
    main(["collect", *commands["collect"][0]])  # a lock file whose process has gone is stale
    assert os.listdir(tmp_path / "toys") == ["toy-v0"]


def test_a_lock_ends_with_its_process_which_may_lock_again(tmp_path):
    lock = tmp_path / ".lock"
    with locked(tmp_path, lock):
        with locked(tmp_path, lock):
            pass
        assert lock.read_text().split() == [str(os.getpid()), socket.gethostname()]
    assert not lock.exists()


def test_a_folder_that_stays_empty_is_not_left(tmp_path):
    with pytest.raises(RuntimeError), locked_folder(tmp_path / "run"):
        raise RuntimeError
    with locked_folder(tmp_path / "other"):
        (tmp_path / "other" / "file").touch()
    assert os.listdir(tmp_path) == ["other"]
