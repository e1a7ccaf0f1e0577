"""README.md and docs/ say what docs/results.json and the benchmarks' pages say."""

import json
import re
import runpy
from pathlib import Path

import pytest

from gbplan.evaluation.provenance import processor

RENDER = runpy.run_path("docs/render.py")
Pages, STORE = RENDER["Pages"], RENDER["STORE"]
PAGES = [Path("README.md"), *sorted(Path("docs").glob("*.md"))]


def rows(**success):
    return [
        {"result": name, "tasks": "detour", "success %": cell, "gap@25": "0.2000"} for name, cell in success.items()
    ]


def rendered(page, **success):
    return Pages({"runs/evaluate": rows(**success)}).text(page)


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_making_a_page_again_changes_nothing(page):
    assert Pages(json.loads(STORE.read_text())).text(page.read_text()) == page.read_text(), "run `make documents`"


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_mark_is_found_and_none_begins_a_line(page):
    text = page.read_text()
    assert len(RENDER["MARKED"].findall(text)) == text.count("<!-- table:")
    assert len(RENDER["INLINE"].findall(text)) == text.count("<!-- n:") == text.count("<!-- /n -->")
    assert not re.search(r"(?m)^\s*<!-- n:", text)  # markdown takes what follows for HTML


def test_number_is_replaced_with_as_many_decimals_and_nothing_else_changes():
    page = '{} 1.0 <!-- n: {} -->{}<!-- /n --> %, <!-- n: high("b") - low("b") -->{}<!-- /n -->; <!-- other -->\n'
    old, made = (page.format("text", 'success("a")', *values) for values in (("1", "0.00"), ("96", "10.40")))
    assert rendered(old, a="96.4 [95.7, 97.1] / 5 x 512", b="50.0 [45.1, 55.5] / 512") == made
    assert rendered(made, a="96.4 [95.7, 97.1] / 5 x 512", b="50.0 [45.1, 55.5] / 512") == made


def test_all_commits_of_a_folder_are_named_those_of_most_results_first():
    stored = [{"commit": "b"}, {"commit": "a, b"}, {"commit": "c"}, {"commit": "c"}, {"commit": "c"}, {}]
    page = 'at <!-- n: commits("pixels/evaluate") -->x<!-- /n -->'
    assert ">c, b, a<" in Pages({"runs/pixels/evaluate": stored}).text(page)
    with pytest.raises(ValueError, match="make it with `make reproduce TASK=door_wall_pixels`"):
        Pages({}).text(page)


def test_number_of_seeds_is_that_of_the_row():
    page = '<!-- n: seeds("a") -->0<!-- /n --> and <!-- n: seeds("b") -->0<!-- /n -->'
    made = rendered(page, a="96.4 [95.7, 97.1] / 5 x 512", b="50.0 [45.1, 55.5] / 512")
    assert re.findall(r">(\d)<", made) == ["5", "1"]


def test_results_of_another_task_are_given_where_it_is_named_and_nowhere_else():
    store = {"runs/push_t/evaluate": rows(a="1.0", only="3.0"), "runs/evaluate": rows(a="2.0")}
    page = 'x <!-- n: success("a") -->0.0<!-- /n --> <!-- n: success("a", "push_t") -->0.0<!-- /n -->\n'
    assert re.findall(r">(\d\.0)<", Pages(store).text(page)) == ["2.0", "1.0"]
    with pytest.raises(ValueError, match="no success % of only; make it with `make reproduce`"):
        Pages(store).text(page.replace('"a")', '"only")'))
    with pytest.raises(ValueError, match="make it with `make reproduce TASK=push_t`"):
        Pages(store).text(page.replace('"a", ', '"none", '))


@pytest.mark.parametrize(
    ("page", "command"),
    [
        ('<!-- n: success("b") -->1<!-- /n -->', "`make reproduce`"),
        ('<!-- n: believed("a") -->1<!-- /n -->', "`make reproduce`"),
        ('<!-- n: table("attack_sweep", "FGSM", "expert") -->1<!-- /n -->', "`make reproduce TASK=attack_sweep`"),
        ('<!-- n: table("plan_time", "1", "none") -->1<!-- /n -->', "`python benchmarks/plan_time.py`"),
        ("<!-- table: gbplan report runs/evaluate --names [b] --columns [result] -->\n| x |\n", "`make reproduce`"),
        ("<!-- table: grid runs/robustness cem-mpc -->\n| x |\n", "`make reproduce TASK=robustness`"),
    ],
    ids=str,
)
def test_missing_result_is_an_error_that_names_the_command(page, command):
    with pytest.raises(ValueError, match=re.escape(command)) as caught:
        rendered(page, a="96.4 [95.7, 97.1] / 512")
    assert "\n" not in str(caught.value)


def test_table_is_replaced_with_the_requested_rows_and_columns():
    head = "before\n\n  <!-- table: gbplan report runs --kinds [detour] --names [b*,a] --columns [result,gap] -->\n"
    table = ["| result | gap@25 |", "|--------|--------|", "| b1     | 0.2000 |", "| a      | 0.2000 |"]
    made = head + "".join(f"  {line}\n" for line in table) + "\n| kept |\n"
    assert rendered(f"{head}  | old |\n  |---|\n\n| kept |\n", b1="1.0", c="1.0", a="1.0") == made


def test_grid_has_a_row_a_world_and_a_column_a_model():
    names = [f"{world}-{model}-cem-mpc" for world in ("default", "door_moved") for model in RENDER["MODELS"]]
    cells = {name: f"{place}.0 [0.0, 9.0] / 512" for place, name in enumerate(names)}
    made = Pages({"runs/robustness": rows(**cells)}).text("<!-- table: grid runs/robustness cem-mpc -->\n| old |\n")
    assert made.splitlines()[1:] == [
        "| world | base | adversarial | online | online + adversarial |",
        "|---|---:|---:|---:|---:|",
        "| default | 0.0 [0.0, 9.0] | 1.0 [0.0, 9.0] | 2.0 [0.0, 9.0] | 3.0 [0.0, 9.0] |",
        "| door moved | 4.0 [0.0, 9.0] | 5.0 [0.0, 9.0] | 6.0 [0.0, 9.0] | 7.0 [0.0, 9.0] |",
    ]


def test_results_are_stored_row_by_row_with_their_provenance(evaluated, tmp_path):
    (tmp_path / "evaluate").symlink_to(evaluated)
    store = {"runs/evaluate": rows(base="1.0", other="2.0")}
    RENDER["take_over"](tmp_path, store, [("base", "straight"), ("base", "absent")])
    taken = {row["result"]: row for row in store["runs/evaluate"]}
    assert set(taken) == {"base", "straight", "other"}
    assert re.fullmatch(r"\d+\.0 \[.*\] / 4", taken["base"]["success %"])
    assert processor() in taken["base"]["machine"]
    assert taken["other"]["success %"] == "2.0"
    assert json.loads(RENDER["write"](store)) == store
    page = '<!-- table: compare base:straight -->\n| old |\n\n<!-- n: verdict("base", "straight") -->?<!-- /n -->\n'
    made = Pages(store).text(page)
    assert "| base   | straight | detour |" in made
    assert "-->no difference<!--" in made
    with pytest.raises(ValueError, match="comparison of base with absent; make it with `make reproduce`"):
        Pages(store).text(page.replace("base:straight", "base:absent"))
