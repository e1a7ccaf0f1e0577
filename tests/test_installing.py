"""What the documents say about installing, on a clone."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow


@pytest.fixture
def clone(tmp_path):
    if not Path(".git").exists():
        pytest.skip("not a checkout")
    subprocess.run(["git", "clone", "--quiet", ".", tmp_path / "clone"], check=True)
    return tmp_path / "clone"


def test_clone_is_installed_with_all_it_needs_to_be_used_elsewhere(clone, tmp_path):
    assert "`pip install -c constraints.txt .`" in Path("README.md").read_text()
    site = tmp_path / "site"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", site]  # all else is here
    subprocess.run([*pip, "-c", "constraints.txt", "."], cwd=clone, check=True, capture_output=True)
    assert (site / "gbplan" / "py.typed").exists()
    code = "import gbplan, gymnasium; gymnasium.make('DoorWall-v0').reset(seed=0); print(gbplan.__file__)"
    environment = {"PYTHONPATH": str(site), "PATH": ""}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, check=True, capture_output=True, text=True
    )
    assert Path(done.stdout.strip()).is_relative_to(site)


def test_commits_are_linted_in_a_clone(clone):
    assert ".venv/bin/pre-commit install" in Path("CONTRIBUTING.md").read_text()
    subprocess.run([Path(sys.executable).with_name("pre-commit"), "install"], cwd=clone, check=True)
    assert "pre-commit" in (clone / ".git" / "hooks" / "pre-commit").read_text()
