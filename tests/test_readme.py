"""The documents' Python runs; tests/test_docs.py has their commands."""

import re
from pathlib import Path

import pytest

PAGES = [Path("README.md"), *sorted(Path("docs").glob("*.md"))]
SNIPPETS = [found for page in PAGES for found in re.findall(r"```python\n(.*?)```", page.read_text(), flags=re.DOTALL)]


@pytest.mark.parametrize("snippet", SNIPPETS, ids=lambda snippet: snippet.splitlines()[0])
def test_python_runs(snippet, base_run, dataset_root, monkeypatch):
    monkeypatch.setenv("MINARI_DATASETS_PATH", "")  # to be restored, whatever a snippet makes of it
    small = {
        "runs/base/best.ckpt": str(base_run / "best.ckpt"),
        "runs/datasets": str(dataset_root),
        "door-wall/expert-v0": "door-wall/tiny-v0",
        "num_envs=256": "num_envs=4",
        "count=256": "count=4",
    }
    for written, used in small.items():
        snippet = snippet.replace(written, used)
    exec(compile(snippet, "README.md", "exec"), {})


def test_there_is_something_to_test():
    assert len(SNIPPETS) >= 2
