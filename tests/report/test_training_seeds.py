from pathlib import Path

import numpy as np
import pytest

from gbplan.report.intervals import success_interval
from gbplan.report.table import results_table
from gbplan.report.training_seeds import over_training_seeds


def result(model, rate, *, name="online", planner="GradientPlanner", count=500, distance=0.5, believed=1.0):
    """A result file's content, as far as it is averaged."""
    return {
        "name": name,
        "method": {"model": f"runs/{model}/last.ckpt", "model_sha256": model, "planner": {"class": planner}},
        "environment": {"env_id": "DoorWall-v0"},
        "tasks": {
            "detour": {
                "count": count,
                "success": {"rate": rate, "low": rate - 0.01, "high": rate + 0.01},
                "within": {"0.5": {"rate": 1.0, "low": 0.99, "high": 1.0}},
                "believed_success": {"rate": believed},
                "final_distance": {"mean": distance},
                "steps_to_success": 20.0 if rate else None,
                "spl": rate,
                "contacts": 0.0,
                "missing": {},
                "model_error": {
                    "horizon": 25,
                    "planned": {
                        "one_step": 0.01,
                        "open_loop": 0.3 * rate,
                        "by_step": [rate, 2 * rate],
                        "latent_open_loop": 1,
                    },
                    "expert": {"one_step": 0.01, "open_loop": 0.1 * rate, "latent_open_loop": 1},
                },
                "planning": {"model_calls_per_plan": 100, "seconds_per_plan": distance},
            }
        },
        "provenance": {"commit": "abc", "machine": "two cores"},
    }


def test_training_seeds_become_their_mean_with_an_interval_over_seeds_and_tasks(beside):
    results = [result("a", 0.9), result("expert", 1.0, name="expert"), result("b", 0.8), result("c", 1.0, distance=0.2)]
    results = [beside(each) for each in results]
    online, expert = over_training_seeds(results)
    assert expert is results[1]
    metrics = online["tasks"]["detour"]
    low, high = success_interval(np.arange(500) < np.array([[450], [400], [500]]))
    assert metrics["success"] == {"rate": pytest.approx(0.9), "low": low, "high": high}
    assert metrics["within"]["0.5"]["low"] > 0.98  # over seeds and tasks, too
    assert metrics["final_distance"]["mean"] == pytest.approx(0.4)
    assert metrics["model_error"]["planned"]["by_step"] == [pytest.approx(0.9), pytest.approx(1.8)]
    assert (metrics["models"], metrics["count"]) == (3, 500)
    assert results[0]["tasks"]["detour"]["success"]["low"] == pytest.approx(0.89)  # is not changed


def test_number_that_one_seed_lacks_has_no_mean(beside):
    (online,) = over_training_seeds([beside(result("a", 0.5)), beside(result("b", 0.0))])
    assert online["tasks"]["detour"]["steps_to_success"] is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, "No such file"),
        ("first_hit\n1\n", "should have first_hit of 500 tasks"),
        ("steps\n" + "1\n" * 500, "should have first_hit"),
        ("first_hit\n" + "one\n" * 500, "could not convert"),
        ("first_hit\n" + "1\n" * 500, "first_hit is not that of result.json"),
        ("steps,first_hit\n" + "1\n" * 500, "one cell in each column"),
    ],
)
def test_outcomes_that_are_not_there_are_named_by_their_file(beside, text, reason):
    results = [beside(result("a", 0.5)), beside(result("b", 0.6))]
    path = Path(results[1]["folder"]) / "detour.csv"
    path.unlink() if text is None else path.write_text(text)
    with pytest.raises(ValueError, match=reason) as caught:
        over_training_seeds(results)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("other", [{"planner": "CEMPlanner"}, {"count": 64}, {"name": "base"}])
def test_what_differs_by_more_than_the_model_stays_apart(other):
    results = [result("a", 0.9), result("b", 0.8, **other)]
    assert over_training_seeds(results) == results


def test_model_evaluated_twice_is_not_two_seeds():
    results = [result("a", 0.9), result("a", 0.8)]
    assert over_training_seeds(results) == results


def test_table_says_which_models_count_in_blocks():
    plain, blocks = result("a", 0.9), result("b", 0.8, name="pixels")
    blocks["method"]["action_block"] = 5
    assert "blocks" not in results_table([plain])
    assert "a model step of pixels is 5 environment steps" in results_table([plain, blocks])


def test_notes_explain_only_the_chosen_columns():
    made = result("a", 0.9)
    made["tasks"]["detour"]["missing"] = {
        "spl": "X has no shortest_path",
        "believed_success": "X has no compute_success",
    }
    table = results_table([made], ["result", "success", "believed"])
    notes = [line.split(":")[0] for line in table.splitlines() if line.startswith("- ")]
    assert notes == ["- success", "- believed", "- empty"]
    assert "SPL" not in table
    assert "- error@H" in results_table([made], ["gap@25"])
    assert "- SPL: success" in results_table([made])


def test_empty_contacts_have_a_note():
    made = result("a", 0.9)
    made["tasks"]["detour"] |= {"contacts": None, "missing": {"contacts": "X has no contact in its info"}}
    assert "- empty: contacts of online: X has no contact in its info." in results_table([made])


def test_table_shows_mean_interval_and_gap(beside):
    other = {"commit": "def+", "processor": "EPYC", "machine": "two cores"}
    results = [beside(result("a", 0.9)), beside(result("b", 0.8) | {"provenance": other})]
    table = results_table(results, ["success", "gap"])
    assert "Commit abc, def+; EPYC, two cores; two cores." in table
    low, high = (100 * end for end in success_interval(np.arange(500) < np.array([[450], [400]])))
    assert f"| 85.0 [{low:.1f}, {high:.1f}] / 2 x 500 | 0.1700 |" in table
