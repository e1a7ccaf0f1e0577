"""The benchmarks run, and write their pages. No test asserts what they measure."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SMALL = {
    "vector_env": [],
    "rendering": [],
    "encoding": ["--rounds=1"],
    "training_throughput": ["--episodes=60", "--epochs=1", "--rounds=1"],
    "rollout": ["--rounds=1", "--plan-rounds=1"],
    "plan_time": ["--rounds=1"],
    "planners": ["--rounds=1"],
    "start_up": ["--rounds=1"],
    "transformer_plans": ["--rounds=1", "--tables", "gradient-1", "--steps=1", "--iterations=1", "--dino-horizon=1"],
}


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALL)
def test_benchmark_writes_its_page(name, base_run, tmp_path):
    checkout = tmp_path / "checkout"  # where no page of a real measurement is lost
    for folder in ("benchmarks", "configs"):
        shutil.copytree(folder, checkout / folder)
    (checkout / "runs").mkdir()
    (checkout / "runs" / "online_adversarial").symlink_to(base_run)
    page = checkout / "benchmarks" / f"{name}.md"
    page.unlink()
    subprocess.run([sys.executable, f"benchmarks/{name}.py", *SMALL[name]], cwd=checkout, check=True)
    text = page.read_text()
    assert f"`python benchmarks/{name}.py" in text
    assert text.count("\n| ") > 3


def test_make_times_all_of_them():
    (line,) = (line for line in Path("Makefile").read_text().splitlines() if line.startswith("TIMED :="))
    assert line.split()[2:] == list(SMALL)
