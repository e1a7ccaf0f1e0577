"""The notebooks run on small settings, and their stored cells are those of their sources."""

import json
import re
import runpy
from pathlib import Path

import jupytext
import pytest

SOURCES = sorted(Path("docs/notebooks").glob("*.py"))
HOOK = runpy.run_path("docs/notebook_pages.py")
# Numbers that decide how long a notebook takes.
SMALL = {"TASKS": 2, "EPISODES": 20, "EPOCHS": 1, "ROUNDS": 1, "NEW_TASKS": 2}


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_notebook_runs(source, tmp_path, monkeypatch):
    text, count = re.subn(
        rf"(?m)^({'|'.join(SMALL)}) = \d+", lambda found: f"{found[1]} = {SMALL[found[1]]}", source.read_text()
    )
    assert count > 1
    (tmp_path / source.name).write_text(text)
    monkeypatch.chdir(tmp_path)
    runpy.run_path(source.name, run_name="__main__")


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_outputs_are_of_the_cells_that_the_source_has(source):
    written, shown = jupytext.read(source), jupytext.read(source.with_suffix(".ipynb"))
    *cells, made_by = [(cell.cell_type, cell.source) for cell in shown.cells]
    assert cells == [(cell.cell_type, cell.source) for cell in written.cells], "run `make notebooks`"
    assert made_by[1].startswith("*Made by `make notebooks` in")
    for cell in shown.cells:
        assert not [output for output in cell.get("outputs", []) if output.output_type == "error"]


def test_every_notebook_is_in_the_navigation():
    listed = Path("mkdocs.yml").read_text()
    assert SOURCES
    assert [source for source in SOURCES if f"notebooks/{source.stem}.md" not in listed] == []


def test_page_of_a_notebook_has_its_text_its_code_and_its_pictures(tmp_path):
    picture = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII="
    shown = {"output_type": "display_data", "data": {"image/png": picture}, "metadata": {}}
    said = {"output_type": "stream", "name": "stdout", "text": ["two\n"]}
    code = {"cell_type": "code", "metadata": {}, "execution_count": 1, "source": "draw(2)", "outputs": [said, shown]}
    text = {
        "cell_type": "markdown",
        "metadata": {},
        "source": "# Title\n\nWords, [a link](../start.md), [another](other.ipynb).",
    }
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}, "language_info": {"name": "python"}}
    notebook = {"cells": [text, code], "metadata": kernel, "nbformat": 4, "nbformat_minor": 4}
    (tmp_path / "seen.ipynb").write_text(json.dumps(notebook))

    page, pictures = HOOK["page_of"](str(tmp_path / "seen.ipynb"), "seen")
    page = HOOK["on_page_markdown"](page)

    ((name, content),) = pictures.items()
    assert content.startswith(b"\x89PNG")
    assert page.startswith("# Title\n")
    assert 'href="seen.ipynb"' in page
    assert "[a link](../start.md), [another](other.md)." in page
    assert "```python\ndraw(2)\n```" in page
    assert "    two\n" in page
    assert f"]({name})" in page
    assert name.startswith("seen_files/")
