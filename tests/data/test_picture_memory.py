"""100,000 transitions with two pictures each train within the memory of a small machine."""

import json
import subprocess
import sys
from pathlib import Path

import memory_script
import pytest

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("datasets")
    memory_script.write(root)
    return root


@pytest.mark.parametrize("encoder", ["frozen", "trained"])
def test_pictures_train_in_little_memory_and_leave_a_small_checkpoint(root, tmp_path, encoder):
    script = Path(memory_script.__file__)
    subprocess.run([sys.executable, script, tmp_path, root, encoder], check=True)
    measured = json.loads((tmp_path / "measured.json").read_text())
    print(measured)
    assert measured["transitions"] >= 100_000
    # The whole process at its peak, pages of mapped files included, which the system may take back at any time; what
    # is not backed by files is noted beside it.
    assert measured["rss"] < 3 * 2**30
    assert measured["anonymous"] < 2 * 2**30
    assert measured["checkpoint"] < 20 * 2**20
