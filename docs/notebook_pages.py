"""A hook of mkdocs that turns each notebook of docs/notebooks/ into a page in the site's own style.

The page shows the stored outputs, so nothing is run here; it links to the notebook for download.
"""

import re
from pathlib import PurePosixPath
from typing import Any

from mkdocs.structure.files import File, Files
from nbconvert import MarkdownExporter

DOWNLOAD = '<a href="{name}.ipynb" download>This page as a notebook</a>, to run and change it.\n'


def page_of(notebook: str, name: str) -> tuple[str, dict[str, bytes]]:
    """Return the Markdown of a notebook, and its pictures by name."""
    text, found = MarkdownExporter().from_filename(
        notebook, resources={"output_files_dir": f"{name}_files", "unique_key": name}
    )
    heading, _, rest = text.partition("\n\n")
    # nbconvert's name for every picture; the text before a picture describes it.
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
    """Point links to notebooks at their pages."""
    return re.sub(r"(\]\((?!https?:)[^)\s]*)\.ipynb\b", r"\1.md", markdown)
