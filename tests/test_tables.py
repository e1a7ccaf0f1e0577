"""docs/make_tables.py fills the tables of the documents."""

import json
import re
import runpy
import shlex
from pathlib import Path

import pytest

from gbplan.cli import build_parser

MAKER = runpy.run_path("docs/make_tables.py")
PAGES = [Path("README.md"), *sorted(Path("docs").glob("*.md"))]
FOUND = [(page, found) for page in PAGES for found in MAKER["MARKED"].finditer(page.read_text())]


def test_every_marked_table_is_found():
    assert len(FOUND) == sum(page.read_text().count("<!-- table:") for page in PAGES) > 0


@pytest.mark.parametrize(("page", "found"), FOUND, ids=lambda part: part["how"] if isinstance(part, re.Match) else "")
def test_table_can_be_made(page, found):
    kind, *arguments = shlex.split(found["how"])
    if kind == "gbplan":
        build_parser(arguments[0]).parse_args(arguments)
    elif kind == "copy":
        copied = [line.strip() for line in MAKER["copy"](*arguments).splitlines()]
        assert [line.strip() for line in found["table"].splitlines()] == copied, "run `make documents`"
    else:
        assert kind == "grid"


def test_table_is_replaced_where_it_stands_and_nothing_else(tmp_path):
    (tmp_path / "page.md").write_text("| a |\n|---|\n| 1 |\n\ntext\n\n| b |\n|---|\n| 2 |\n")
    page = f"before\n\n  <!-- table: copy {tmp_path}/page.md 2 -->\n  | old |\n  |---|\n  | 0 |\n\nafter\n\n| kept |\n"
    made = f"before\n\n  <!-- table: copy {tmp_path}/page.md 2 -->\n  | b |\n  |---|\n  | 2 |\n\nafter\n\n| kept |\n"
    assert MAKER["text"](page) == made
    assert MAKER["text"](made) == made


def test_grid_has_a_row_a_world_and_a_column_a_model(tmp_path):
    for world, offset in (("door_moved", 0.0), ("velocity", 0.5), (None, 0.6)):
        for place, model in enumerate(MAKER["MODELS"]):
            for planner, of_planner in (("gradient-mpc", 0.01), ("cem-mpc", 0.0)):
                rate = offset + place / 10 + of_planner
                success = {"rate": rate, "low": rate - 0.01, "high": rate + 0.02}
                folder = (
                    tmp_path / f"{world}-{model}-{planner}" if world else tmp_path / f"home/2{place}-{model}-{planner}"
                )
                folder.mkdir(parents=True)
                (folder / "result.json").write_text(json.dumps({"tasks": {"detour": {"success": success}}}))
    assert MAKER["grid"](str(tmp_path), str(tmp_path / "home"), "gradient-mpc").splitlines() == [
        "| world | base | adversarial | online | online + adversarial |",
        "|---|---:|---:|---:|---:|",
        "| default | 61.0 [60.0, 63.0] | 71.0 [70.0, 73.0] | 81.0 [80.0, 83.0] | 91.0 [90.0, 93.0] |",
        "| door moved | 1.0 [0.0, 3.0] | 11.0 [10.0, 13.0] | 21.0 [20.0, 23.0] | 31.0 [30.0, 33.0] |",
        "| velocity | 51.0 [50.0, 53.0] | 61.0 [60.0, 63.0] | 71.0 [70.0, 73.0] | 81.0 [80.0, 83.0] |",
    ]


def test_table_that_would_be_empty_or_of_another_command_is_refused(tmp_path):
    page = "<!-- table: {} -->\n| old |\n"
    with pytest.raises(ValueError, match="nothing for the table"):
        MAKER["text"](page.format(f"grid {tmp_path} {tmp_path} gradient-mpc"))
    with pytest.raises(ValueError, match="made by gbplan report, got gbplan evaluate"):
        MAKER["text"](page.format("gbplan evaluate runs/x"))
