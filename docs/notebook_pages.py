"""A hook of mkdocs: a notebook of docs/notebooks/ is a page, in the same type and colours as the others.

The page is made of the notebook as it was run, so nothing is run here; the notebook itself can be downloaded from it.
"""

import re
from pathlib import PurePosixPath
from typing import Any

from mkdocs.structure.files import File, Files
from nbconvert import MarkdownExporter

DOWNLOAD = '<a href="{name}.ipynb" download>This page as a notebook</a>, to run and change it.\n'


def page_of(notebook: str, name: str) -> tuple[str, dict[str, bytes]]:
    """Markdown of the notebook in a file, and the pictures it shows, by their names."""
    text, found = MarkdownExporter().from_filename(
        notebook, resources={"output_files_dir": f"{name}_files", "unique_key": name}
    )
    heading, _, rest = text.partition("\n\n")
    # What nbconvert calls every picture; the text before it says what it shows.
    rest = rest.replace("![png](", "![Output of the cell above](")
    return f"{heading}\n\n{DOWNLOAD.format(name=name)}\n{rest}", found["outputs"]


def on_files(files: Files, config: Any) -> Files:
    """Add a page for each notebook."""
    for file in list(files):
        path = PurePosixPath(file.src_uri)
        if path.suffix == ".ipynb":
            text, pictures = page_of(file.abs_src_path, path.stem)
            files.append(File.generated(config, str(path.with_suffix(".md")), content=text))
            for picture, content in pictures.items():
                files.append(File.generated(config, str(path.parent / picture), content=content))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Let links to notebooks, which is what lies in the repository, lead to their pages."""
    return re.sub(r"(\]\((?!https?:)[^)\s]*)\.ipynb\b", r"\1.md", markdown)
