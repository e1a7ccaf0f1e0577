"""The documents' Python runs; tests/test_docs.py has their commands."""

import re
from pathlib import Path

import pytest

PAGES = [Path("README.md"), *sorted(Path("docs").glob("*.md"))]
SNIPPETS = [
    pytest.param(found, id=f"{page.stem}-{place}")
    for page in PAGES
    for place, found in enumerate(re.findall(r"```python\n(.*?)```", page.read_text(), flags=re.DOTALL))
]


@pytest.mark.end_to_end
@pytest.mark.parametrize("snippet", SNIPPETS)
def test_python_runs(snippet, base_run, dataset_root, monkeypatch):
    monkeypatch.setenv("MINARI_DATASETS_PATH", "")  # to be restored, whatever a snippet makes of it
    small = {
        "runs/base/best.ckpt": str(base_run / "best.ckpt"),
        "runs/datasets": str(dataset_root),
        "door-wall/expert-v0": "door-wall/tiny-v0",
    }
    for written, used in small.items():
        snippet = snippet.replace(written, used)
    snippet = re.sub(r"\b(num_envs|count)=\d+", r"\1=4", snippet)
    exec(compile(snippet, "README.md", "exec"), {})


@pytest.mark.parametrize("page", ["README.md", "docs/start.md", "docs/your_model.md", "docs/your_planner.md"])
def test_there_is_something_to_test(page):
    assert "```python\n" in Path(page).read_text()


def test_front_page_is_short_and_types_no_result():
    text = Path("README.md").read_text()
    assert len(text.splitlines()) <= 120
    rows = re.findall(r"(?m)^\| \[.*$", text)
    assert rows
    for row in rows:
        assert not re.search(r"\d", re.sub(r"<!-- n: .*?<!-- /n -->|\(docs.*?\)", "", row))
