"""The page as a browser sees it; a parser would not notice an image that cannot be decoded."""

import json
import re
import shutil
import subprocess
from html import escape, unescape

import pytest

from gbplan.report import report

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
pytestmark = [
    pytest.mark.end_to_end,
    pytest.mark.skipif(BROWSER is None, reason="there is no chromium or chrome to open the page with"),
]

QUIET = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync")
OFFLINE = ("--disable-background-networking", "--disable-component-update")
SCHEMES = {"dark": 0, "light": 1}  # as the browser numbers what readers prefer
PAPER = {"dark": "rgb(20, 23, 28)", "light": "rgb(255, 255, 255)"}

# Comes first in the page, to hear of everything that goes wrong, and writes into it when all is loaded. The policy is
# there for its violations: whatever the page asks for that is not in it, from the network or the disk.
PROBE = """<meta http-equiv="Content-Security-Policy" content="default-src data: 'unsafe-inline'">
<script>
const errors = [], requests = [];
addEventListener("securitypolicyviolation", event => requests.push(event.blockedURI));
addEventListener("error", ({message, target}) => errors.push(message || target.src || target.href), true);
addEventListener("unhandledrejection", event => errors.push("rejected: " + event.reason));
addEventListener("load", () => {
  const done = {};
  ACTIONS
  const found = {
    done,
    images: document.images.length,
    missing: [...document.images].filter(image => image.naturalWidth === 0).length,
    paper: getComputedStyle(document.body).backgroundColor,
    errors,
    requests,
  };
  document.body.insertAdjacentHTML("beforeend", "<pre id=probe></pre>");
  document.getElementById("probe").textContent = JSON.stringify(found);
});
</script>"""


def opened(page, tmp_path, scheme="light", actions=""):
    """The page as a browser shows it in a colour scheme, after actions that fill ``done``."""
    copy = tmp_path / "probed.html"
    copy.write_text(page.replace("<head>", f"<head>{PROBE.replace('ACTIONS', actions)}", 1))
    profile = f"--user-data-dir={tmp_path / 'profile'}"
    scheme = f"--blink-settings=preferredColorScheme={SCHEMES[scheme]}"
    command = [BROWSER, *QUIET, *OFFLINE, profile, scheme, "--dump-dom", copy.as_uri()]
    seen = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    return json.loads(unescape(re.search(r'<pre id="probe">(.*?)</pre>', seen)[1]))


@pytest.fixture(scope="module")
def page(evaluated, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "page.html"
    report(str(evaluated), html=str(path))
    return path.read_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_shows_every_image_without_an_error_and_asks_for_nothing(page, tmp_path, scheme):
    found = opened(page, tmp_path, scheme)
    assert found.pop("images") == page.count("<img") > 0
    assert found == {"done": {}, "missing": 0, "requests": [], "paper": PAPER[scheme], "errors": []}


def test_what_is_broken_would_be_found(page, tmp_path):
    image = '<img src="data:image/png;base64,AAAA"><img src="absent.png">'
    style = '<link rel="stylesheet" href="http://localhost/style.css">'
    script = '<script>Promise.reject("a promise"); undefinedName();</script>'
    found = opened(page.replace("<main>", f"<main>{image}{style}{script}", 1), tmp_path)
    assert found["images"] == page.count("<img") + 2
    assert found["missing"] == 2
    assert sorted(found["requests"]) == ["file", "http://localhost/style.css"]
    assert len(found["errors"]) == 5
    for message in ("undefinedName is not defined", "a promise", "base64,AAAA", "absent.png", "style.css"):
        assert any(message in error for error in found["errors"])


USE = """
  const query = selector => document.querySelector(selector);
  const shown = () => document.querySelectorAll("#table tbody tr:not([hidden]) th");
  const names = () => [...shown()].map(head => head.textContent);
  done.before = names();
  query("#table thead button").click();
  query("#table thead button").click();
  done.sorted = [names(), query("#table thead th").getAttribute("aria-sort")];
  const filter = query("#numbers input[type=search]");
  filter.value = "stra";
  filter.dispatchEvent(new Event("input"));
  done.filtered = names();
  query(".matrix td a").click();
  done.source = query("#source").hidden ? "" : query("#source span").textContent;
  query("#source a").click();
  done.opened = query("#settings").open && query("#result-0").open;
  query(".zooms").click();
  done.zoomed = query("#zoom").open && query("#zoom img").alt.split(":")[0];
  const time = query("#time"), drawn = () => query("#left path.executed:not(.whole)").getAttribute("d");
  const whole = drawn();
  time.value = 3;
  time.dispatchEvent(new Event("input"));
  done.watched = [whole.startsWith(drawn()), drawn().split("L").length, query("#step").textContent];
"""


@pytest.mark.slow
def test_reader_sorts_filters_enlarges_watches_and_asks_where_a_number_comes_from(page, evaluated, tmp_path):
    found = opened(page, tmp_path, actions=USE)
    assert found["errors"] == []
    assert found["done"] == {
        "before": ["base", "straight"],
        "sorted": [["straight", "base"], "descending"],
        "filtered": ["straight"],
        "source": f"0.0 [0.0, 49.0] (base, Gradient, MPC) is from {evaluated / 'base' / 'result.json'}",
        "opened": True,
        "zoomed": "success-detour",
        "watched": [True, 4, "step 3"],
    }


@pytest.mark.slow
def test_unfolded_page_is_no_wider_than_a_phone(page, tmp_path):
    unfolded = escape(page.replace("<details", "<details open"))
    frame = f'<iframe srcdoc="{unfolded}" width=360 height=700></iframe>'  # no window is so narrow
    actions = """
  const within = document.querySelector("iframe").contentDocument.documentElement;
  done.widths = [within.scrollWidth, within.clientWidth];
"""
    found = opened(f"<html><head></head><body>{frame}</body></html>", tmp_path, actions=actions)
    needed, there = found["done"]["widths"]
    assert needed == there <= 360
