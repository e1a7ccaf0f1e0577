"""Installing from a clone; that of the dependencies, too, is what `make install` does before any test."""

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


def test_installed_package_is_complete(clone, tmp_path):
    site = tmp_path / "site"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", site]  # those are here
    subprocess.run([*pip, "."], cwd=clone, check=True, capture_output=True)
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
