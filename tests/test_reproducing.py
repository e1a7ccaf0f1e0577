"""``make reproduce`` and ``make documents`` as they are, on little data and few tasks; in a clone."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

LITTLE = {r"^episodes: \d+": "episodes: 40", r"(\bcount|tasks_per_round): \d+": r"\1: 4"}


@pytest.fixture
def clone(tmp_path):
    if not Path(".git").exists():
        pytest.skip("not a checkout")
    folder = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", ".", folder], check=True)
    for config in (folder / "configs").rglob("*.yaml"):
        text = config.read_text()
        for pattern, little in LITTLE.items():
            text = re.sub(pattern, little, text, flags=re.MULTILINE)
        config.write_text(text)
    programs = folder / ".venv" / "bin"
    programs.mkdir(parents=True)
    for name in ("gbplan", "python"):
        (programs / name).write_text(f'#!/bin/sh\nexec "{Path(sys.executable).with_name(name)}" "$@"\n')
        (programs / name).chmod(0o755)
    (folder / ".venv" / ".installed").touch()
    return folder


def make(folder, *goals):
    environment = {name: value for name, value in os.environ.items() if "MAKE" not in name and name != "MFLAGS"}
    done = subprocess.run(["make", "SEEDS=0", *goals], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]


def test_results_tables_and_figures_are_made_from_nothing(clone):
    before = (clone / "README.md").read_text()
    shipped = {figure: figure.stat().st_mtime_ns for figure in (clone / "docs" / "figures").glob("see_the_*.png")}
    make(clone, "reproduce", "ablations", "documents")

    results = [path.parent.name for path in (clone / "runs" / "evaluate").glob("*/result.json")]
    assert len(results) == 40
    assert "online_adversarial-gradient-mpc" in (clone / "runs" / "results.md").read_text()
    assert (clone / "runs" / "report.html").stat().st_size > 10_000
    after = (clone / "README.md").read_text()
    assert re.search(r"^\| online-gradient-mpc .* / 4 ", after, re.MULTILINE)  # tasks
    assert [line for line in after.splitlines() if "|" not in line] == [
        line for line in before.splitlines() if "|" not in line
    ]
    assert shipped
    assert all(figure.stat().st_mtime_ns > time for figure, time in shipped.items())
