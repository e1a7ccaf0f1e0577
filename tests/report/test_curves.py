import struct

import numpy as np
import pytest
from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import masked_crc32c
from torch.utils.tensorboard import SummaryWriter

from gbplan.report.curves import training_curves
from gbplan.report.figures import drawings


def write_training(folder, values=(), rounds=()):
    """Five epochs of 20 steps from one validation to the next.

    Args:
        folder: where to.
        values: success at each validation.
        rounds: of each online round its step, success and transitions so far.
    """
    with SummaryWriter(folder) as writer:
        for i, value in enumerate(values):
            # As gbplan fit writes it, and another logger every other time.
            writer.add_scalar("val/success" if i % 2 else "1_success/val/success", value, 100 * (i + 1))
            writer.add_scalar("epoch", 5 * i + 4, 100 * (i + 1))
        for i, (step, success, transitions) in enumerate(rounds):
            writer.add_scalar("online/success", success, step)
            writer.add_scalar("online/success_low", success - 0.1, step)
            writer.add_scalar("online/success_high", success + 0.1, step)
            writer.add_scalar("online/round", i + 1, step)
            writer.add_scalar("online/transitions", transitions, step)


def record(length, body):
    """An entry of an event file that claims to be so long."""
    header = struct.pack("<Q", length)
    return header + struct.pack("<I", masked_crc32c(header)) + body + struct.pack("<I", masked_crc32c(body))


@pytest.mark.parametrize("entry", [record(5, b"\xff" * 5), record(2**60, b"x"), record(2**64 - 1, b"x")], ids=len)
def test_event_file_that_claims_more_than_it_contains_is_named(tmp_path, entry):
    path = tmp_path / "events.out.tfevents.1"
    path.write_bytes(entry)
    with pytest.raises(
        ValueError, match=r"events.out.tfevents.1 does not hold TensorBoard's events .*; remove it$"
    ) as caught:
        training_curves([tmp_path])
    assert "\n" not in str(caught.value)


def points(curve):
    return np.array([curve.x, curve.y])


def test_success_on_validation_tasks_is_read_from_the_trainings_themselves(tmp_path):
    runs = {"online": (0.5, 0.75), "seed1/online": (0.7, 0.85, 0.9), "noise": (0.25,), "plain": ()}
    for run, values in runs.items():
        write_training(tmp_path / run, values)
    found = training_curves([tmp_path / run for run in runs])
    assert set(found) == {"training"}
    assert set(found["training"]) == {"online, 2 seeds", "noise"}
    np.testing.assert_allclose(points(found["training"]["online, 2 seeds"]), [[5, 10], [0.6, 0.8]])
    np.testing.assert_allclose(points(found["training"]["noise"]), [[5], [0.25]])


def test_trainings_of_another_world_are_no_seeds(tmp_path):
    runs = {"online": (0.9,), "seed1/online": (0.7,), "velocity/online": (0.1,), "velocity/seed1/online": (0.3,)}
    for run, values in runs.items():
        write_training(tmp_path / run, values)
    found = training_curves([tmp_path / run for run in runs])["training"]
    assert {name: float(curve.y[0]) for name, curve in found.items()} == pytest.approx(
        {"online, 2 seeds": 0.8, "velocity/online, 2 seeds": 0.2}
    )


def test_success_over_rounds_has_the_interval_of_one_seed_and_the_range_of_several(tmp_path):
    write_training(tmp_path / "online", rounds=[(20, 0.3, 900), (80, 0.6, 1700)])
    write_training(tmp_path / "seed1/online", rounds=[(20, 0.5, 800), (80, 0.7, 1500), (140, 0.8, 2000)])
    (one,) = training_curves([tmp_path / "online"])["rounds"].values()
    np.testing.assert_allclose([one.x, one.y, one.low, one.high], [[1, 2], [0.3, 0.6], [0.2, 0.5], [0.4, 0.7]])
    (both,) = training_curves([tmp_path / "online", tmp_path / "seed1/online"])["rounds"].values()
    np.testing.assert_allclose([both.x, both.y, both.low, both.high], [[1, 2], [0.4, 0.65], [0.3, 0.6], [0.5, 0.7]])


def test_a_model_is_credited_with_the_transitions_it_could_be_trained_on(tmp_path):
    # Validations at steps 100, 200, 300 and 400: before the first round, with it, after it, and after the second.
    write_training(tmp_path / "online", (0.2, 0.3, 0.6, 0.9), [(200, 0.5, 900), (380, 0.7, 1700)])
    found = training_curves([tmp_path / "online"])
    assert set(found) == {"training", "rounds", "transitions"}
    np.testing.assert_allclose(points(found["transitions"]["online"]), [[0, 900, 1700], [0.3, 0.6, 0.9]])


def test_seeds_are_matched_by_round_though_their_transitions_differ(tmp_path):
    write_training(tmp_path / "online", (0.2, 0.6), [(120, 0.5, 900)])
    write_training(tmp_path / "seed1/online", (0.4, 0.7), [(120, 0.5, 700)])
    found = training_curves([tmp_path / "online", tmp_path / "seed1/online"])["transitions"]["online, 2 seeds"]
    np.testing.assert_allclose(
        [found.x, found.y, found.low, found.high], [[0, 800], [0.3, 0.65], [0.2, 0.6], [0.4, 0.7]]
    )


def test_every_curve_of_a_training_is_drawn(tmp_path):
    write_training(tmp_path / "online", (0.2, 0.6), [(120, 0.5, 900)])
    drawn = drawings([], [tmp_path / "online"])
    assert list(drawn) == ["training", "rounds", "transitions"]
    places = {name: draw().axes[0].lines[0].get_xdata().tolist() for name, draw in drawn.items()}
    assert places == {"training": [5, 10], "rounds": [1], "transitions": [0, 900]}
