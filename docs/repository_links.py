"""A hook of mkdocs for links from pages to files of the repository, which the site includes or names.

Markdown pages outside ``docs/`` and the examples get a page of their own; a link to anything else, a configuration or a
test, becomes the name of the file.
"""

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
TAKEN = ("CONTRIBUTING.md", "CHANGELOG.md", "benchmarks/*.md", "experiments/*/*.md", "examples/*.py")
LINK = re.compile(r"\[(?P<text>[^\]]*)\]\((?P<target>(?!https?:|#)[^)#\s]+)(?P<anchor>#[^)]*)?\)")
PREFIX = "repository"  # folder of these pages in the site


def taken() -> dict[str, str]:
    """Return the paths in the site of the repository's files that are pages of it, by path in the repository."""
    files = sorted(path for pattern in TAKEN for path in ROOT.glob(pattern))
    return {
        path.relative_to(ROOT).as_posix(): f"{PREFIX}/{path.relative_to(ROOT).with_suffix('.md').as_posix()}"
        for path in files
    }


def on_files(files: Files, config: Any) -> Files:
    """Add the pages from outside ``docs/``."""
    for source, page in taken().items():
        text = (ROOT / source).read_text()
        if source.endswith(".py"):
            text = f"# {source}\n\n```python\n{text}```\n"
        files.append(File.generated(config, page, content=text))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Point links out of ``docs/`` at these pages, or replace them by the name of the file."""
    pages = taken()
    here = page.file.src_uri
    source = {site: path for path, site in pages.items()}.get(here, f"docs/{here}")

    def replace(found: re.Match[str]) -> str:
        path = posixpath.normpath(posixpath.join(posixpath.dirname(source), found["target"]))
        inside = path.removeprefix("docs/") if path.startswith("docs/") else pages.get(path)
        if inside is not None:
            target = posixpath.relpath(inside, posixpath.dirname(here) or ".")
            return f"[{found['text']}]({target}{found['anchor'] or ''})"
        return f"`{path}`" if found["text"].strip("`") in path else f"{found['text']} (`{path}`)"

    return LINK.sub(replace, markdown)
