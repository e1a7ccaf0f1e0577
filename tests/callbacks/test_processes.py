"""Trainings in processes of their own: several that share the work, and one that is killed."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import train_script

pytestmark = pytest.mark.end_to_end

SCRIPT = Path(train_script.__file__)


def start(folder, root, epochs, devices=1, resume="-", sleep=0.0, training="plain"):
    folder.mkdir(exist_ok=True)
    # Not the variables by which a launcher tells a process its rank.
    environment = {key: value for key, value in os.environ.items() if "RANK" not in key and key != "WORLD_SIZE"}
    arguments = [str(argument) for argument in (folder, root, epochs, devices, resume, sleep, training)]
    return subprocess.Popen(
        [sys.executable, SCRIPT, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment | {"OMP_NUM_THREADS": "1"},
    )


def finish(process):
    try:
        output, _ = process.communicate(timeout=120)
    finally:
        process.kill()  # nothing, if it has ended
    assert process.returncode == 0, output


def result(folder, rank=0):
    return torch.load(folder / f"done-{rank}.pt", weights_only=True)


def assert_same(one, two):
    assert one["buffer"] == two["buffer"]
    assert torch.equal(one["lengths"], two["lengths"])
    assert one["state"] == two["state"]
    assert all(torch.equal(value, two["weights"][name]) for name, value in one["weights"].items())


@pytest.fixture(scope="module")
def whole(tmp_path_factory, dataset_root):
    folder = tmp_path_factory.mktemp("whole")
    train_script.train(folder, dataset_root, 2)
    return result(folder)


slow = pytest.mark.slow


@pytest.mark.parametrize("name", [pytest.param("SIGINT", marks=slow), pytest.param("SIGTERM", marks=slow), "SIGKILL"])
def test_run_that_is_killed_within_a_round_resumes_bit_for_bit(tmp_path, dataset_root, whole, name):
    process = start(tmp_path, dataset_root, 2, sleep=5.0)
    for _ in range(2):
        while "in a round" not in process.stdout.readline():
            assert process.poll() is None
    process.send_signal(getattr(signal, name))
    process.communicate(timeout=120)
    assert not (tmp_path / "done-0.pt").exists()
    train_script.train(tmp_path, dataset_root, 2, resume=tmp_path / "last.ckpt")
    assert_same(result(tmp_path), whole)


def test_two_processes_share_the_tasks_and_the_epoch_and_have_the_same_buffer(tmp_path, dataset_root, whole):
    finish(start(tmp_path, dataset_root, 2, devices=2))
    one, two = result(tmp_path, 0), result(tmp_path, 1)
    assert_same(one, two)
    assert (one["state"]["rounds"], len(one["lengths"])) == (2, 10)
    assert torch.equal(one["whole"], two["whole"])
    assert (one["share"], two["share"]) == (one["whole"][::2].tolist(), one["whole"][1::2].tolist())
    assert len(one["whole"]) == 512
    assert one["batches"] == two["batches"] == 4
    # The tasks of the first round, and their order, are those of a single process.
    assert whole["starts"][:5] == one["starts"][:5]
    for name in ("online/success", "online/model_error_planned", "online/transitions"):
        assert one["logged"][name] == two["logged"][name]


@slow
def test_two_processes_resume_bit_for_bit(tmp_path, dataset_root):
    finish(start(tmp_path / "whole", dataset_root, 3, devices=2))
    finish(start(tmp_path / "parts", dataset_root, 1, devices=2))
    finish(start(tmp_path / "parts", dataset_root, 3, devices=2, resume=tmp_path / "parts" / "last.ckpt"))
    for rank in (0, 1):
        assert_same(result(tmp_path / "parts", rank), result(tmp_path / "whole", rank))


@slow
def test_two_processes_go_on_in_the_middle_of_an_epoch(tmp_path, dataset_root):
    finish(start(tmp_path / "whole", dataset_root, 2, devices=2, training="every third"))
    for step in (3, 6):  # of four steps in an epoch
        folder, checkpoint = tmp_path / str(step), tmp_path / "whole" / f"step={step}.ckpt"
        finish(start(folder, dataset_root, 2, devices=2, resume=checkpoint, training="every third"))
        for rank in (0, 1):
            assert_same(result(folder, rank), result(tmp_path / "whole", rank))


@slow
def test_two_processes_map_the_same_files_and_train_as_from_memory(tmp_path, dataset_root):
    finish(start(tmp_path / "held", dataset_root, 2, devices=2))
    finish(start(tmp_path / "mapped", dataset_root, 2, devices=2, training="mapped"))
    assert (dataset_root / "door-wall" / "tiny-v0" / "cache").is_dir()
    for rank in (0, 1):
        assert_same(result(tmp_path / "mapped", rank), result(tmp_path / "held", rank))


@slow
def test_two_processes_attack_with_the_same_radii_and_judge_by_the_same_plans(tmp_path, dataset_root):
    finish(start(tmp_path, dataset_root, 2, devices=2, training="adversarial"))
    one, two = result(tmp_path, 0), result(tmp_path, 1)
    assert_same(one, two)
    for radius, other in zip(one["radii"], two["radii"], strict=True):
        assert torch.equal(radius, other)
        assert (radius > 0).all()
    # Each has attacked its own batches: what is compared below are no means over both.
    assert one["logged"]["train/attack_gain"] != two["logged"]["train/attack_gain"]
    assert one["logged"]["train/attack_gain"] > 0
    for name in ("val/success", "val/final_distance", "val/model_error_planned"):
        assert one["logged"][name] == two["logged"][name]
