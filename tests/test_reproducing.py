"""``make reproduce`` and ``make documents`` as they are, on little data and few tasks; in a copy of the checkout."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

LITTLE = {r"^episodes: \d+": "episodes: 40", r"(\bcount|tasks_per_round): \d+": r"\1: 4"}


@pytest.fixture
def copy(tmp_path):
    if not Path(".git").exists():
        pytest.skip("not a checkout")
    folder = tmp_path / "copy"
    listed = subprocess.run(["git", "ls-files", "-z"], check=True, capture_output=True, text=True).stdout
    for name in filter(None, listed.split("\0")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(name, folder / name)
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


def test_results_tables_and_figures_are_made_from_nothing(copy):
    before = (copy / "README.md").read_text()
    shipped = {figure: figure.stat().st_mtime_ns for figure in (copy / "docs" / "figures").glob("see_the_*.png")}
    make(copy, "reproduce", "ablations", "documents")

    results = [path.parent.name for path in (copy / "runs" / "evaluate").glob("*/result.json")]
    assert len(results) == 40
    assert "online_adversarial-gradient-mpc" in (copy / "runs" / "results.md").read_text()
    assert (copy / "runs" / "report.html").stat().st_size > 10_000
    after = (copy / "README.md").read_text()
    assert re.search(r"^\| online-gradient-mpc .* / 4 ", after, re.MULTILINE)  # tasks
    assert [line for line in after.splitlines() if "|" not in line] == [
        line for line in before.splitlines() if "|" not in line
    ]
    assert shipped
    assert all(figure.stat().st_mtime_ns > time for figure, time in shipped.items())
