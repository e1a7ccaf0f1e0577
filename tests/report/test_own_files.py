"""``gbplan report`` replaces what it has made, and nothing of others without ``--overwrite``."""

import re
import shutil

import pytest

from gbplan.cli import main
from gbplan.report.own_files import require_own

MINE = "# My notes\n\nA table of `gbplan report` comes here.\n"


@pytest.fixture(scope="module")
def walk(evaluated, tmp_path_factory):
    """The result of a policy: there is little to draw."""
    return shutil.copytree(evaluated / "straight", tmp_path_factory.mktemp("results") / "straight").parent


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def refusal(capsys, *words):
    with pytest.raises(SystemExit, match=r"^2$"):
        main(["report", *map(str, words)])
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("gbplan: error: ")]
    return line


OPTIONS = {"output": "notes.md", "html": "notes.html", "figures": "figures/success-detour-dark.svg"}


@pytest.mark.parametrize(("option", "name"), OPTIONS.items())
def test_a_file_of_others_is_replaced_only_if_asked_and_its_own_one_always(walk, tmp_path, capsys, option, name):
    target = tmp_path / name
    target.parent.mkdir(exist_ok=True)
    target.write_text(MINE)
    words = [walk, f"--{option}={target.parent if option == 'figures' else target}"]
    assert f"{target} is there, and does not say that gbplan report made it; " in refusal(capsys, *words)
    assert contents(tmp_path) == {name: MINE.encode()}
    main(["report", *map(str, words), "--overwrite"])
    made = contents(tmp_path)
    assert made[name] != MINE.encode()
    target.write_bytes(made[name] + b"\n")
    main(["report", *map(str, words)])
    assert contents(tmp_path) == made


def test_every_file_that_it_makes_is_its_own(walk, tmp_path):
    words = [f"--output={tmp_path}/table.md", f"--html={tmp_path}/page.html", f"--figures={tmp_path}/figures"]
    main(["report", str(walk), *words])
    made = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {path.suffix for path in made} == {".md", ".html", ".svg", ".png"}
    for path in made:
        require_own(path)


def test_nothing_is_written_if_one_of_several_files_is_of_others(walk, tmp_path, capsys):
    (tmp_path / "page.html").write_text(MINE)
    refusal(capsys, walk, f"--output={tmp_path}/table.md", f"--html={tmp_path}/page.html", f"--figures={tmp_path}/f")
    assert contents(tmp_path) == {"page.html": MINE.encode()}
    (tmp_path / "f").mkdir(exist_ok=True)
    (tmp_path / "f" / "success-detour-light.png").write_text(MINE)
    refusal(capsys, walk, f"--output={tmp_path}/table.md", f"--figures={tmp_path}/f")
    assert not (tmp_path / "table.md").exists()


def test_an_empty_file_is_replaced(tmp_path):
    (tmp_path / "table.md").touch()
    require_own(tmp_path / "table.md")


def test_keep_replaces_no_file_of_others(walk, tmp_path, capsys):
    (tmp_path / "notes.md").write_text(MINE)
    assert re.search(
        r"notes.md is there, .*--overwrite$", refusal(capsys, walk, f"--output={tmp_path}/notes.md", "--keep")
    )
    assert contents(tmp_path) == {"notes.md": MINE.encode()}
