"""A hook of mkdocs that checks the built site: no broken link, no missing image, nothing loaded from elsewhere.

mkdocs checks the links of pages; this checks the HTML, including that of the theme and the API reference.
"""

from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from mkdocs.exceptions import PluginError

LOADED = {"img": "src", "script": "src", "link": "href", "source": "src", "iframe": "src"}
NOT_LOADED = {"canonical", "next", "prev", "alternate"}  # relations of <link> that load nothing


class Page(HTMLParser):
    """Collects a page's anchors, its links, and the addresses that it loads."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.targets: list[str] = []
        self.loaded: list[str] = []
        self.feed(path.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Record one element."""
        given = {key: value or "" for key, value in attrs}
        self.names |= {given[key] for key in ("id", "name") if key in given}
        if tag == "a" and "href" in given:
            self.targets.append(given["href"])
        if given.get(LOADED.get(tag, "")) and not NOT_LOADED & set(given.get("rel", "").split()):
            self.loaded.append(given[LOADED[tag]])


def faults(site: Path) -> list[str]:
    """Return the faults of a built site, one line each."""
    pages = {path.resolve(): Page(path) for path in sorted(site.rglob("*.html"))}
    found = []
    for path, page in pages.items():
        if path.name == "404.html":  # its links are absolute, because it is shown at any address
            continue
        found += [f"{path.name} loads {address}" for address in page.loaded if urlsplit(address).netloc]
        for address in [*page.targets, *page.loaded]:
            parts = urlsplit(address)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            target = target / "index.html" if target.is_dir() else target
            fragment = unquote(parts.fragment)
            if not target.is_file():
                found.append(f"{path.name} links to {address}, which is not there")
            elif fragment and target in pages and fragment not in pages[target].names:
                found.append(f"{path.name} links to {address}, which has no such part")
    return found


def on_post_build(config: Any) -> None:
    """Fail the build if there are faults."""
    if wrong := faults(Path(config["site_dir"])):
        raise PluginError("\n".join(wrong))
