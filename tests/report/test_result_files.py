"""Result files may come from anybody: nothing in them runs, and what is wrong with them is one line with their name."""

import json
import pickle

import numpy as np
import pytest

from gbplan.report import report, result_files
from gbplan.report.result_files import RESULT_FILE, read_arrays, read_result


@pytest.fixture
def copied(evaluated, tmp_path):
    """The folder of a whole result, to be changed by the test."""
    for file in (evaluated / "base").iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    return tmp_path


def changed(folder, *keys, value):
    """Set an entry of the result file; keys lead to it."""
    path = folder / RESULT_FILE
    result = json.loads(path.read_text())
    within = result
    for key in keys[:-1]:
        within = within[key]
    within[keys[-1]] = value
    path.write_text(json.dumps(result))


def refusal(function, argument):
    with pytest.raises(ValueError, match="evaluate again") as caught:
        function(argument)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "reason"),
    [("[" * 100_000, "nested too deeply"), ("[1]", "it must be dict, got [1]"), ('{"name": "x"}', "it lacks method")],
    ids=["depth", "list", "cut"],
)
def test_result_of_another_form_is_refused(tmp_path, text, reason):
    (tmp_path / RESULT_FILE).write_text(text)
    message = refusal(read_result, tmp_path / RESULT_FILE)
    assert str(tmp_path / RESULT_FILE) in message
    assert reason in message


@pytest.mark.parametrize(
    ("keys", "value", "reason"),
    [
        (["name"], 1, "it: name must be str, got 1"),
        (["tasks"], [], "it: tasks must be dict, got []"),
        (["tasks", "detour"], [], "detour must be dict, got []"),
        (["tasks", "detour", "count"], "many", "detour: count must be a whole number in 1..2147483647, got 'many'"),
        (["tasks", "detour", "success", "rate"], None, "success: rate must be a number in 0..1, got None"),
        (["tasks", "detour", "planning"], 3, "planning must be dict or null, got 3"),
        (["tasks", "detour", "model_error", "planned"], 1, "model_error: planned must be dict, got 1"),
        (["tasks", "detour", "planning", "model_calls_per_plan"], None, "model_calls_per_plan must be a finite number"),
        (["tasks", "detour", "within"], {"1": "all"}, "within: 1 must be dict, got 'all'"),
        (["tasks", "detour", "gradient_alignment", "1"], {}, "gradient_alignment: 1 lacks cosine"),
        (["name"], "a\x1b[2Jb", "'a\\x1b[2Jb' cannot be printed as it is"),
        (["tasks", "detour", "missing"], {"spl": "one\ntwo"}, "'one\\ntwo' cannot be printed"),
        (["tasks", "../../elsewhere"], {}, "tasks cannot be called '../../elsewhere'"),
        (["provenance", "machine"], {}, "provenance: machine must be str"),
    ],
    ids=str,
)
def test_entry_of_another_type_is_named(copied, keys, value, reason):
    changed(copied, *keys, value=value)
    assert reason in refusal(read_result, copied / RESULT_FILE)


def test_what_cannot_be_laid_out_is_named_by_its_file(copied):
    changed(copied, "method", value={})  # of a planner, says the rest
    message = refusal(lambda folder: report(folder, figures=f"{folder}/figures"), str(copied))
    assert f"{copied / RESULT_FILE} does not contain results" in message


class Runs:
    """Runs a command when it is unpickled."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        import os

        return os.system, (f"touch {self.marker}",)


def test_arrays_are_never_unpickled(copied, tmp_path):
    marker = tmp_path / "it-ran"
    np.savez(copied / "detour.npz", alpha=np.array([Runs(marker)], object))
    assert pickle.dumps(Runs(marker))
    assert str(copied / "detour.npz") in refusal(read_arrays, copied / "detour.npz")
    assert not marker.exists()


def test_arrays_that_unfold_to_more_than_a_bound_are_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(result_files, "_LARGEST", 10_000)
    np.savez_compressed(tmp_path / "detour.npz", alpha=np.zeros(10_000))
    assert (tmp_path / "detour.npz").stat().st_size < 1_000
    assert "bytes of arrays, more than 10,000 are not read" in refusal(read_arrays, tmp_path / "detour.npz")


def test_file_without_arrays_is_named(copied):
    (copied / "detour.npz").write_bytes(b"PK no")
    assert "does not hold arrays to be drawn" in refusal(read_arrays, copied / "detour.npz")
