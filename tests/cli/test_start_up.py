"""Imports of each command, which decide how fast it starts; the seconds are in benchmarks/start_up.md."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.end_to_end

HEAVY = ("torch", "lightning", "matplotlib", "minari", "numba")
RUN = """
import sys
from gbplan.cli import main
for line in sys.argv[2:]:
    try:
        main(line.split())
    except SystemExit:
        pass
print([name for name in sys.argv[1].split(",") if name in sys.modules])
"""


def imported(*lines, of=HEAVY):
    """Which libraries are loaded after some commands, run in one process."""
    command = [sys.executable, "-c", RUN, ",".join(of), *lines]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[-1]


def test_help_and_wrong_arguments_need_no_heavy_library(tmp_path):
    (tmp_path / "twice.yaml").write_text("a: 1\na: 2\n")
    lines = ["--help", "--version", "", "nonsense", "--nonsense", "fit --config no.yaml", "fit --trainer.bogus 3"]
    lines += [f"{name} --config {tmp_path}/twice.yaml" for name in ("collect", "evaluate", "fit", "validate")]
    lines += [f"{name} --bogus 3" for name in ("collect", "demo", "evaluate", "report", "fit", "validate")]
    lines += ["demo --help", "demo --output demo.png"]
    lines += ["collect --episodes many", "evaluate --error_horizon many", "validate --data.steps many"]
    assert imported(*lines, of=("torch", "lightning", "minari", "numba")) == "[]"
    assert imported("--help") == "[]"


def test_report_imports_no_torch(evaluated, tmp_path):
    line = f"report {evaluated} --output {tmp_path}/table.md --html {tmp_path}/page.html --figures {tmp_path}/figures"
    assert imported(line, "report --help", of=("torch", "lightning", "numba")) == "[]"
    assert (tmp_path / "table.md").exists()
    assert (tmp_path / "page.html").exists()


def test_collect_imports_no_lightning():
    lines = ["collect --help", "collect --env_id=X --dataset_id=x-v0 --policy=No --episodes=1"]
    assert imported(*lines, of=("lightning", "matplotlib")) == "[]"


INTERRUPTED = """
import atexit, gc, sys
atexit.register(lambda: print(gc.get_freeze_count() > 1000))  # what is registered first comes last
import gbplan.report.table
from gbplan.cli import main


def interrupt(*args):
    raise KeyboardInterrupt


sys.modules["gbplan.report.table"].results_table = interrupt
main(["report", sys.argv[1]])
"""


def test_an_interrupted_command_leaves_without_looking_for_garbage(evaluated):
    command = [sys.executable, "-c", INTERRUPTED, evaluated]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr, ended.stdout) == (130, "gbplan: interrupted\n", "True\n")
