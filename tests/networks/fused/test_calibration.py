"""The faster way to compute a rollout is measured once; where the result cannot be stored, the rule decides."""

import json
import math

import pytest

from gbplan.networks.fused import calibration
from gbplan.networks.fused.calibration import ROWS, calibrated_rows, most_rows


def never(compiled, rows):
    raise AssertionError("measured")


def lead(of_compiled):
    """A stopwatch by which the compiled loops are so many times faster at so many rows."""
    return lambda compiled, rows: 1e-6 if compiled else 1e-6 * of_compiled(rows)


@pytest.fixture(autouse=True)
def folder(monkeypatch, tmp_path):
    """Folder of the measurements."""
    monkeypatch.setenv("GBPLAN_CALIBRATE", "1")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "gbplan"


@pytest.mark.parametrize("rule", [0, 20, math.inf])
def test_a_clear_lead_overrules_the_rule(rule):
    assert most_rows(rule, lead(lambda rows: 0.5)) == 0
    assert most_rows(rule, lead(lambda rows: 2.0)) == max(rule, ROWS[-1])
    border = 20 if rule == 20 else 32  # half-way from 16 to 64, where the rule has no border of its own
    assert most_rows(rule, lead(lambda rows: 2.0 if rows <= 16 else 0.5)) == border


def test_the_rule_decides_what_is_nearly_even():
    assert most_rows(math.inf, lead(lambda rows: 0.9)) == math.inf
    assert most_rows(0, lead(lambda rows: 1.1)) == 0
    assert most_rows(64, lead(lambda rows: 1.1)) == 64
    assert most_rows(300, lead(lambda rows: 2.0 if rows <= 256 else 0.9)) == 300


def test_the_rule_decides_where_a_measurement_takes_too_long(monkeypatch):
    monkeypatch.setattr(calibration, "SECONDS", 0.0)
    assert most_rows(math.inf, lead(lambda rows: 1.5)) == math.inf
    assert most_rows(0, lead(lambda rows: 1.5)) == 1


@pytest.mark.parametrize("rule", [16, math.inf])
def test_what_was_measured_is_not_measured_again(rule):
    first = calibrated_rows("2-8-2 relu", rule, lead(lambda rows: 2.0))
    assert calibrated_rows("2-8-2 relu", rule, never) == first == max(rule, ROWS[-1])
    with pytest.raises(AssertionError, match="measured"):
        calibrated_rows("2-9-2 relu", rule, never)


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"rows": "many"}', '{"rows": -1}', '{"rows": true}'])
def test_a_damaged_file_is_made_again(folder, damage):
    calibrated_rows("2-8-2 relu", 0, lead(lambda rows: 2.0))
    (path,) = folder.glob("*.json")
    path.write_text(damage)
    assert calibrated_rows("2-8-2 relu", 0, lead(lambda rows: 0.5)) == 0
    assert json.loads(path.read_text())["rows"] == 0


def test_nothing_is_measured_where_it_cannot_be_kept(monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert calibrated_rows("2-8-2 relu", 77, never) == 77


def test_nothing_is_measured_without_a_home(monkeypatch):
    def no_home():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(calibration.Path, "home", no_home)
    assert calibrated_rows("2-8-2 relu", 77, never) == 77


def test_nothing_is_measured_if_that_is_switched_off(monkeypatch):
    monkeypatch.setenv("GBPLAN_CALIBRATE", "0")
    assert calibrated_rows("2-8-2 relu", 77, never) == 77


def test_another_processor_is_measured_itself(monkeypatch):
    calibrated_rows("2-8-2 relu", 0, lead(lambda rows: 2.0))
    monkeypatch.setattr(calibration, "_processor", lambda: "another")
    assert calibrated_rows("2-8-2 relu", 0, lead(lambda rows: 0.5)) == 0
