"""A hook of mkdocs that gives every public name of a room an API page, and lists them on the room's page.

``::: gbplan.planners`` in a page of docs/api/ becomes the docstring of the room and a list of its ``__all__``.
"""

import posixpath
import re
from functools import cache
from pathlib import Path
from typing import Any

import griffe
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
ROOM = re.compile(r"^::: (gbplan[\w.]*)$", re.MULTILINE)
PAGE = "---\ntitle: {name}\n---\n\n::: {path}\n    options: {{show_root_heading: true, heading_level: 1}}\n"


@cache
def package() -> griffe.Object:
    """Read the package's sources without importing them, so its dependencies are not needed."""
    return griffe.load("gbplan", search_paths=[ROOT], resolve_aliases=True)


def exported(room: str) -> list[griffe.Object | griffe.Alias]:
    """List the classes, functions and constants in ``__all__`` of a room; none if it has no such list."""
    module = package()[room.removeprefix("gbplan.")]
    items = [module[name] for name in module.exports or []]
    # A function may have the name of its module, and griffe finds the module: gbplan.data.collect.
    items = [item.members.get(item.name) if item.is_module else item for item in items]
    return [item for item in items if item is not None]


def page_of(item: griffe.Object | griffe.Alias) -> str:
    """Return a page's address, which starts with the kind, as some disks equate ``Landscape`` and ``landscape``."""
    return f"api/{posixpath.join(*item.path.split('.')[1:-1])}/{item.kind.value}.{item.name}.md"


def on_files(files: Files, config: Any) -> Files:
    """Add the pages, and list them in the navigation below their room."""
    api = next(entry["API"] for entry in config["nav"] if "API" in entry)
    for entry in api:
        for title, source in entry.items():
            rooms = ROOM.findall((ROOT / "docs" / source).read_text())
            items = [item for room in rooms for item in exported(room)]
            for item in items:
                text = PAGE.format(name=item.name, path=item.path)
                files.append(File.generated(config, page_of(item), content=text))
            if items:
                entry[title] = [source, *map(page_of, items)]
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """List a room's names on its page, each with the first line of its docstring."""
    here = posixpath.dirname(page.file.src_uri)

    def replace(found: re.Match[str]) -> str:
        if page.file.generated_by or not (items := exported(found[1])):
            return found[0]
        lines = [f"{found[0]}\n    options: {{members: false}}\n"]
        for item in items:
            summary = item.docstring.value.splitlines()[0] if item.docstring else ""
            lines.append(f"- [`{item.name}`]({posixpath.relpath(page_of(item), here)}) {summary}".rstrip())
        return "\n".join(lines)

    return ROOM.sub(replace, markdown)
