"""The page as a browser sees it; a parser would not notice an image that cannot be decoded."""

import json
import re
import shutil
import subprocess
from html import unescape

import pytest

from gbplan.report import report

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
pytestmark = pytest.mark.skipif(BROWSER is None, reason="there is no chromium or chrome to open the page with")

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
  const found = {
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


def opened(page, tmp_path, scheme="light"):
    """What a browser finds in a page, for a reader who prefers a colour scheme."""
    copy = tmp_path / "probed.html"
    copy.write_text(page.replace("<head>", f"<head>{PROBE}", 1))
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
    assert found.pop("images") == page.count("<figure") > 0
    assert found == {"missing": 0, "requests": [], "paper": PAPER[scheme], "errors": []}


def test_what_is_broken_would_be_found(page, tmp_path):
    image = '<img src="data:image/png;base64,AAAA"><img src="absent.png">'
    style = '<link rel="stylesheet" href="http://localhost/style.css">'
    script = '<script>Promise.reject("a promise"); undefinedName();</script>'
    found = opened(page.replace("<figure", f"{image}{style}{script}<figure", 1), tmp_path)
    assert found["images"] == page.count("<figure") + 2
    assert found["missing"] == 2
    assert sorted(found["requests"]) == ["file", "http://localhost/style.css"]
    assert len(found["errors"]) == 5
    for message in ("undefinedName is not defined", "a promise", "base64,AAAA", "absent.png", "style.css"):
        assert any(message in error for error in found["errors"])
