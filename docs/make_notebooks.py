"""Runs the notebooks of docs/notebooks/ and saves them with their outputs: `make notebooks`.

Edit a notebook as Python with cells, ``NAME.py`` (jupytext's percent format), which tests also run. This script makes
``NAME.ipynb`` beside it: the same cells with their outputs, and a last line with time, commit and processor. Progress
bars and warnings are left out.

    python docs/make_notebooks.py [NAME ...]
"""

import argparse
import resource
from pathlib import Path
from typing import Any

import jupytext
import nbformat
from nbclient import NotebookClient

from gbplan.evaluation.provenance import provenance
from gbplan.files import replacing

FOLDER = Path("docs/notebooks")


def run(source: Path) -> nbformat.NotebookNode:
    """Run a source from top to bottom, in the folder of the project."""
    notebook = jupytext.read(source)
    before = processor_seconds()
    NotebookClient(notebook, timeout=1800, kernel_name="python3").execute()
    seconds = processor_seconds() - before
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.metadata.pop("execution", None)  # the times of each cell
            cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
    notebook.cells.append(nbformat.v4.new_markdown_cell(made_by(seconds, provenance())))
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number}"  # random otherwise
    return notebook


def processor_seconds() -> float:
    """Return the processor time of all kernels so far; wall time would depend on the machine's other work."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def made_by(seconds: float, by: dict[str, Any]) -> str:
    """Return the last line of a notebook."""
    return (
        f"*Made by `make notebooks` in {seconds:.0f} seconds of processor time "
        f"(commit {by['commit']}, torch {by['torch']}, {by['processor']}).*"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    every = sorted(path.stem for path in FOLDER.glob("*.py"))
    parser.add_argument("names", nargs="*", metavar="NAME", default=every, help="which ones; all, if none is named")
    for name in parser.parse_args().names:
        made = run(FOLDER / f"{name}.py")
        with replacing(FOLDER / f"{name}.ipynb", "w") as file:
            nbformat.write(made, file)
        print(f"{FOLDER / name}.ipynb: {made.cells[-1].source.strip('*')}")
