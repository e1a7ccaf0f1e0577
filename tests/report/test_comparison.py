import copy
import json

import numpy as np
import pytest

from gbplan.report import report
from gbplan.report.result_files import RESULT_FILE

FIRST = np.arange(200) < 150


@pytest.fixture
def write(evaluated, tmp_path):
    """Return a function that writes a result of this name and training seed, whose tasks are solved or not."""
    made = json.loads((evaluated / "base" / RESULT_FILE).read_text())

    def write(name, solved, seed=0, environment=(), start=1.0, training=None):
        result = copy.deepcopy(made) | {"name": name}
        result["environment"].update(environment)
        result["method"]["model_sha256"] = None if seed is None else f"{name} {seed}"
        result["training"] = training or (None if seed is None else {"data": {"seed": seed}})
        metrics = result["tasks"]["detour"]
        metrics |= {"count": len(solved), "success": {"rate": float(np.mean(solved)), "low": 0.0, "high": 1.0}}
        metrics["within"] = None
        folder = tmp_path / f"{name} {seed} {len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        (folder / RESULT_FILE).write_text(json.dumps(result))
        rows = "".join(f"{10 if each else -1},{start}\n" for each in solved)
        (folder / "detour.csv").write_text("first_hit,start_distance\n" + rows)

    return write


@pytest.fixture
def compared(tmp_path, capsys):
    """Return a function that says what the row of a comparison says: difference, seeds and tasks, and verdict."""

    def compared(one="a", other="b"):
        report(str(tmp_path), compare=(one, other))
        _, _, row, *_ = capsys.readouterr().out.splitlines()
        return [cell.strip() for cell in row.strip("|").split("|")][3:]

    return compared


def test_methods_that_solve_the_same_tasks_do_not_differ(write, compared):
    for seed in range(3):
        write("a", np.roll(FIRST, seed), seed)
        write("b", np.roll(FIRST, seed), seed)
    difference, count, verdict = compared()
    assert difference.startswith("+0.0 [-")
    assert (count, verdict) == ("3 x 200", "no difference")


def test_method_that_solves_more_in_every_seed_is_ahead_whichever_comes_first(write, compared):
    for seed in range(3):
        write("a", np.arange(200) < 170 + seed, seed)
        write("b", FIRST, seed)
    difference, _, verdict = compared()
    assert difference.startswith("+10.5 [+")
    assert verdict == "a is ahead"
    assert compared("b", "a")[::2][1] == "a is ahead"


def test_lead_that_seeds_do_not_share_is_none(write, compared):
    for seed, count in enumerate((200, 150, 140)):
        write("a", np.arange(200) < count, seed)
        write("b", FIRST, seed)
    assert compared()[2] == "no difference"


def test_models_are_paired_by_seed_not_by_order(write, compared):
    """Task by task the same only if seed 1 stands beside seed 1; the interval is then that of no difference at all."""
    for name, seeds in (("a", (2, 1)), ("b", (1, 2, 3))):
        for seed in seeds:
            write(name, np.arange(200) < 50 * seed, seed)
    difference, count, _ = compared()
    assert difference.startswith("+0.0")
    assert count == "2 x 200"


def test_what_is_not_trained_stands_beside_every_seed(write, compared):
    write("a", np.ones(200, bool), None)
    for seed in range(3):
        write("b", FIRST, seed)
    assert compared()[1:] == ["3 x 200", "a is ahead"]


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        ({"seed": 1}, "training seeds 0 and b 1, and none in common"),
        ({"environment": {"task_seed": 1}}, "different detour tasks"),
        ({"start": 2.0}, "different detour tasks"),
        ({"training": [0]}, "training must be dict or null"),
    ],
    ids=str,
)
def test_what_cannot_be_compared_is_refused(write, compared, other, reason):
    write("a", FIRST)
    write("b", FIRST, **other)
    with pytest.raises(ValueError, match=reason):
        compared()


def test_name_of_several_methods_and_of_none_is_refused(write, compared):
    write("a", FIRST)
    write("b", FIRST)
    write("b", FIRST, environment={"task_seed": 1})
    with pytest.raises(ValueError, match="2 results are named b that are not one method"):
        compared()
    with pytest.raises(ValueError, match="no result is named c; there are a, b"):
        compared("a", "c")
