import sys
from xml.etree import ElementTree

import numpy as np
import pytest

from gbplan.evaluation.metrics import wilson_interval
from gbplan.report import report
from gbplan.report.figures import drawings

NAMES = {"success-detour", "paths-detour", "landscape-detour", "error-detour", "alignment-detour"}


def lines(figure):
    """Points of each line that is in the legend."""
    axis = figure.axes[0]
    return {line.get_label(): np.array(line.get_data()) for line in axis.lines if not line.get_label().startswith("_")}


def result(name="online-gradient-mpc", model="runs/online/best.ckpt", calls=6400, rate=0.9, digest="a"):
    """The entries of a result file that are drawn."""
    return {
        "name": name,
        "method": {"model": model, "model_sha256": digest, "planner": {"class": "GradientPlanner"}, "mode": "MPC"},
        "environment": {},
        "tasks": {
            "detour": {
                "count": 10,
                "success": {"rate": rate, "low": rate - 0.1, "high": rate + 0.05},
                "within": None,
                "believed_success": {"rate": 1.0},
                "model_error": {"planned": {"by_step": [0.1, 0.2, None]}, "expert": {"by_step": [0.0, rate]}},
                "planning": {"model_calls_per_plan": calls, "seconds_per_plan": calls * 1e-6},
                "gradient_alignment": {"tasks": 8, "1": {"cosine": 0.9}, "5": {"cosine": None}, "25": {"cosine": -0.1}},
            }
        },
        "provenance": {},
    }


def draw(tmp_path, *results):
    return drawings([(tmp_path, result) for result in results], [])


def test_errors_and_cosines_are_those_of_the_result_file(tmp_path):
    found = draw(tmp_path, result())
    assert set(found) == {"success-detour", "error-detour", "alignment-detour"}
    error = lines(found["error-detour"]())
    np.testing.assert_array_equal(error["online-gradient-mpc, planned"], [[1, 2, 3], [0.1, 0.2, np.nan]])
    np.testing.assert_array_equal(error["online-gradient-mpc, expert"], [[1, 2], [0, 0.9]])
    cosine = lines(found["alignment-detour"]())
    np.testing.assert_array_equal(cosine["online-gradient-mpc"], [[1, 5, 25], [0.9, np.nan, -0.1]])


def test_budgets_of_a_planner_make_a_line_and_one_budget_makes_none(tmp_path):
    more = result("more", calls=19200, rate=0.95)
    other = result("other", model="runs/base/best.ckpt")
    found = draw(tmp_path, more, result(), other)
    np.testing.assert_allclose(lines(found["calls-detour"]())["online"], [[6400, 19200], [0.9, 0.95]])
    assert list(lines(found["time-detour"]())) == ["online"]
    np.testing.assert_allclose(lines(found["time-detour"]())["online"][0], [6.4, 19.2])


@pytest.mark.parametrize(
    "other",
    [
        {"environment": {"door_center": 0.5}},
        {"planner": {"class": "GradientPlanner", "lr": 0.2}},
        {"count": 64},
    ],
    ids=str,
)
def test_what_differs_by_more_than_its_budget_is_on_another_line(tmp_path, other):
    more = result("other", calls=19200)
    more["environment"] = other.get("environment", {})
    more["method"]["planner"] = other.get("planner", more["method"]["planner"])
    more["tasks"]["detour"]["count"] = other.get("count", 10)
    assert "calls-detour" not in draw(tmp_path, result(), more)


def test_success_of_all_tasks_is_drawn(tmp_path):
    certain = result()
    low, high = wilson_interval(512, 512)
    certain["tasks"]["detour"]["success"] = {"rate": 1.0, "low": low, "high": high}
    draw(tmp_path, certain)["success-detour"]()
    certain["tasks"]["detour"]["success"]["high"] = 1 - 1e-16  # rounding, in a result made elsewhere
    draw(tmp_path, certain)["success-detour"]()


def test_training_seeds_are_drawn_as_their_mean(tmp_path, beside):
    found = draw(tmp_path, beside(result(rate=0.8)), beside(result(rate=0.6, digest="b")))
    expert = lines(found["error-detour"]())["online-gradient-mpc, expert"]
    np.testing.assert_allclose(expert, [[1, 2], [0, 0.7]])


def test_paths_are_drawn_where_the_goal_space_is_a_plane_and_the_model_predicts_it(tmp_path):
    arrays = {"goals": np.ones((1, 4)), "success": np.array([False])}
    np.savez(tmp_path / "detour.npz", **arrays)
    assert "paths-detour" not in draw(tmp_path, result())
    arrays = {"executed": np.zeros((1, 3, 2)), "goals": np.ones((1, 2)), "success": np.array([False])}
    arrays |= {"imagined": np.zeros((1, 2, 2)), "background": np.zeros((0, 2, 2)), "radius": np.array(np.nan)}
    np.savez(tmp_path / "detour.npz", **arrays)
    draw(tmp_path, result())["paths-detour"]()


@pytest.mark.end_to_end
def test_report_writes_every_figure_light_and_dark_and_twice_the_same(evaluated, tmp_path, capsys):
    report(str(evaluated), figures=str(tmp_path / "one"))
    report(str(evaluated), figures=str(tmp_path / "two"))
    files = sorted(path.name for path in (tmp_path / "one").iterdir())
    forms = [f"{mode}.{ending}" for mode in ("dark", "light") for ending in ("png", "svg")]
    assert files == sorted(f"{name}-{form}" for name in NAMES for form in forms)
    for name in files:
        content = (tmp_path / "one" / name).read_bytes()
        assert content == (tmp_path / "two" / name).read_bytes()
        if name.endswith("svg"):
            ElementTree.fromstring(content)
    assert "landscape-detour" in capsys.readouterr().out


@pytest.mark.parametrize("option", ["figures", "html"])
def test_what_cannot_be_written_is_named_before_anything_is_drawn(evaluated, tmp_path, option, monkeypatch):
    module = sys.modules["gbplan.report.table"]  # whose name the function has taken
    monkeypatch.setattr(module, "drawings", lambda *_: pytest.fail("drew first"))
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        report(str(evaluated), **{option: str(tmp_path / "file" / "inside")})
