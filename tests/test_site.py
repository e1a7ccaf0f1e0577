"""The site is built completely, and its hooks in docs/ do what they promise."""

import importlib
import json
import os
import re
import runpy
import shutil
import subprocess
import sys
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from inspect import ismodule
from pathlib import Path
from threading import Thread
from types import SimpleNamespace

import pytest

api_pages = SimpleNamespace(**runpy.run_path("docs/api_pages.py"))
faults = runpy.run_path("docs/check_site.py")["faults"]
on_page_markdown = runpy.run_path("docs/repository_links.py")["on_page_markdown"]
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
ROOMS = sorted({path.parent.name for path in Path("gbplan").glob("*/__init__.py")} - {"cli"})  # has a page of its help


@pytest.mark.parametrize("room", ROOMS)
def test_every_room_has_a_page_in_the_reference(room):
    assert f"::: gbplan.{room}\n" in Path(f"docs/api/{room}.md").read_text()
    assert f"api/{room}.md" in Path("mkdocs.yml").read_text()


@pytest.mark.parametrize("room", ROOMS)
def test_every_public_name_of_a_room_has_a_page(room):
    module = importlib.import_module(f"gbplan.{room}")
    public = [name for name in module.__all__ if not ismodule(getattr(module, name))]
    assert [item.name for item in api_pages.exported(f"gbplan.{room}")] == public


def test_pages_of_the_reference_differ_in_more_than_case():
    pages = [api_pages.page_of(item).lower() for room in ROOMS for item in api_pages.exported(f"gbplan.{room}")]
    assert len(pages) == len(set(pages))


def test_page_of_a_room_lists_its_names_with_the_first_line_of_their_docstrings():
    page = SimpleNamespace(file=SimpleNamespace(src_uri="api/planners.md", generated_by=None))
    shown = api_pages.on_page_markdown("# gbplan.planners\n\n::: gbplan.planners\n", page=page)
    assert "- [`CEMPlanner`](planners/class.CEMPlanner.md) Samples around a mean" in shown


def test_every_page_is_in_the_navigation():
    listed = Path("mkdocs.yml").read_text()
    assert [page for page in Path("docs").rglob("*.md") if page.relative_to("docs").as_posix() not in listed] == []


@pytest.mark.parametrize(
    ("page", "written", "shown"),
    [
        ("start.md", "[a](method.md#b)", "[a](method.md#b)"),
        ("start.md", "![a](figures/demo.gif)", "![a](figures/demo.gif)"),
        ("start.md", "[a](https://example.org)", "[a](https://example.org)"),
        ("start.md", "[how](../CONTRIBUTING.md)", "[how](repository/CONTRIBUTING.md)"),
        ("start.md", "[a](../examples/control_loop.py)", "[a](repository/examples/control_loop.md)"),
        ("start.md", "[others](../configs/worlds)", "others (`configs/worlds`)"),
        ("start.md", "[tests/envs](../tests/envs)", "`tests/envs`"),
        ("repository/CHANGELOG.md", "[a](docs/push_t.md)", "[a](../push_t.md)"),
        ("repository/benchmarks/planners.md", "[a](plan_time.md)", "[a](plan_time.md)"),
    ],
)
def test_link_into_the_repository_leads_to_a_page_of_the_site_or_is_a_name(page, written, shown):
    assert (
        on_page_markdown(f"x {written} y", page=SimpleNamespace(file=SimpleNamespace(src_uri=page))) == f"x {shown} y"
    )


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ('<a href="other.html#part">x</a><img src="there.png"><a href="https://example.org">x</a>', None),
        ('<a href="gone.html">x</a>', "links to gone.html, which is not there"),
        ('<a href="other.html#gone">x</a>', "links to other.html#gone, which has no such part"),
        ('<img src="gone.png">', "links to gone.png, which is not there"),
        ('<script src="https://example.org/a.js"></script>', "loads https://example.org/a.js"),
        ('<link rel="stylesheet" href="//example.org/a.css">', "loads //example.org/a.css"),
    ],
)
def test_fault_of_a_built_page_is_found(body, fault, tmp_path):
    (tmp_path / "page.html").write_text(body)
    (tmp_path / "other.html").write_text('<h2 id="part">x</h2>')
    (tmp_path / "there.png").touch()
    assert faults(tmp_path) == ([] if fault is None else [f"page.html {fault}"])


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", folder]
    subprocess.run(command, check=True, capture_output=True, env=os.environ | {"NO_MKDOCS_2_WARNING": "1"})
    return folder


@pytest.mark.slow
def test_what_the_package_exports_can_be_searched_for(site):
    index = json.loads((site / "search" / "search_index.json").read_text())
    found = {entry["location"] for entry in index["docs"]}
    for item in [item for room in ROOMS for item in api_pages.exported(f"gbplan.{room}")]:
        page = Path(api_pages.page_of(item)).with_suffix(".html")
        assert f"{page}#{item.path}" in found


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="there is no chromium or chrome to open the site with")
@pytest.mark.parametrize(
    "page", ["index.html", "results.html", "api/envs.html", "api/planners/class.GradientPlanner.html"]
)
def test_pages_have_no_errors_in_a_browser(site, page, tmp_path):
    class Handler(SimpleHTTPRequestHandler):
        def __init__(self, *args):
            super().__init__(*args, directory=site)

        def log_message(self, *_):
            pass

    (site / "wrong.html").write_text("<script>console.error('wrong')</script>")
    with ThreadingHTTPServer(("localhost", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        said = {}
        for name in (page, "wrong.html"):
            profile, address = f"--user-data-dir={tmp_path}", f"http://localhost:{server.server_port}/{name}"
            quiet = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", profile]
            watched = ["--enable-logging=stderr", "--virtual-time-budget=4000", "--dump-dom", address]
            done = subprocess.run([BROWSER, *quiet, *watched], capture_output=True, text=True, timeout=120, check=True)
            said[name] = re.findall(r"CONSOLE.*", done.stderr)
        server.shutdown()
    assert said[page] == []
    assert said["wrong.html"]  # else nothing would be heard
