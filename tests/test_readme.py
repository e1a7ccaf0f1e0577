"""The README's Python runs; tests/test_docs.py has its commands."""

import re
from pathlib import Path

import pytest

README = Path("README.md").read_text()
SNIPPETS = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)


@pytest.mark.parametrize("snippet", SNIPPETS, ids=lambda snippet: snippet.splitlines()[0])
def test_python_runs(snippet, base_run, monkeypatch):
    small = {"runs/base/best.ckpt": str(base_run / "best.ckpt"), "num_envs=32": "num_envs=4", "count=32": "count=4"}
    for written, used in small.items():
        snippet = snippet.replace(written, used)
    exec(compile(snippet, "README.md", "exec"), {})


def test_there_is_something_to_test():
    assert len(SNIPPETS) >= 2
