"""Takes the pictures of docs/report.md: the page of a report, and TensorBoard, in a headless Chromium.

python docs/screenshots.py runs     # after gbplan report runs/evaluate --trainings '[runs]' --html runs/report.html
"""

import argparse
import io
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import quote, unquote

from PIL import Image

FIGURES = Path(__file__).parent / "figures"
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
SCHEMES = {"dark": 0, "light": 1}  # the browser's number of the reader's preference


class Slow(BaseHTTPRequestHandler):
    """A page that shows another one, and counts as loaded 20 seconds later: TensorBoard draws after it has loaded."""

    def do_GET(self) -> None:
        """Answer with the page, or with the empty picture that it waits for."""
        if self.path == "/wait":
            time.sleep(20)
        whole = "position: fixed; inset: 0; width: 100%; height: 100%; border: 0"
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        shown = f"<iframe src='{unquote(self.path[1:])}' style='{whole}'></iframe>"
        self.wfile.write(f"{shown}<img src=/wait hidden>".encode())

    def log_message(self, *_: object) -> None:
        """Write no log."""


@contextmanager
def slowly(address: str) -> Iterator[str]:
    """Yield the address of a page that shows ``address`` and loads slowly."""
    with ThreadingHTTPServer(("localhost", 0), Slow) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://localhost:{server.server_port}/{quote(address, safe='')}"
        server.shutdown()


def take(name: str, address: str, size: tuple[int, int], scheme: str = "light", left: int = 0) -> None:
    """Write ``docs/figures/<name>.png``: a window of this size once the page has loaded, cut off left of ``left``."""
    with tempfile.TemporaryDirectory() as folder:
        quiet = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
            f"--user-data-dir={folder}/profile",
        ]
        looks = [f"--window-size={size[0]},{size[1]}", f"--blink-settings=preferredColorScheme={SCHEMES[scheme]}"]
        shot = Path(folder, "shot.png")
        command = [BROWSER, *quiet, *looks, f"--screenshot={shot}", address]
        subprocess.run(command, check=True, capture_output=True, timeout=120)
        with Image.open(io.BytesIO(shot.read_bytes())) as image:
            small = (
                image.convert("RGB")
                .crop((left, 0, *size))
                .quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
            )
    small.save(FIGURES / f"{name}.png", optimize=True)
    print(FIGURES / f"{name}.png", (FIGURES / f"{name}.png").stat().st_size)


@contextmanager
def tensorboard(runs: Path) -> Iterator[str]:
    """Yield the address of a TensorBoard that has read the runs."""
    command = [Path(sys.executable).with_name("tensorboard"), f"--logdir={runs}", "--port=0", "--load_fast=false"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        try:
            yield next(found[0] for line in server.stderr or () if (found := re.search(r"http://\S+", line)))
        finally:
            server.terminate()


def main() -> None:
    """Take all pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, help="folder of trainings and evaluations, with report.html in it")
    runs = parser.parse_args().runs
    if BROWSER is None:
        raise SystemExit("there is no chromium or chrome to take pictures with")
    page = runs / "report.html"
    take("report-page", page.resolve().as_uri(), (1160, 900))
    with tempfile.TemporaryDirectory() as folder:
        alone = "main > :not(#episodes) { display: none } main { padding-top: 0 } </style>"
        episodes = Path(folder, "episodes.html")
        text = page.read_text().replace("</style>", alone, 1)
        episodes.write_text(text.replace('<details id="episodes"', '<details open id="episodes"', 1))
        take("report-episodes", episodes.as_uri(), (940, 640), "dark")
    with tensorboard(runs) as address:
        time.sleep(30)  # it reads the runs meanwhile
        with slowly(address) as page:
            take("tensorboard", page, (1400, 1000))
    with tempfile.TemporaryDirectory() as folder:
        # Only trainings: with more than 40 runs, Custom Scalars shows none until they are chosen.
        for run in {path.parent for path in runs.rglob("events.out.tfevents*")}:
            if not (run / "result.json").exists() and runs / "evaluate" not in run.parents:
                Path(folder, "-".join(run.relative_to(runs).parts)).symlink_to(run.resolve())
        with tensorboard(Path(folder)) as address:
            time.sleep(10)
            with slowly(f"{address}#custom_scalars") as page:
                take("tensorboard-bands", page, (1200, 800), left=310)


if __name__ == "__main__":
    main()
