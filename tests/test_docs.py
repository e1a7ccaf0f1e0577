"""The documents say what the code does."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from gbplan.cli import GBPlanCLI, build_parser
from gbplan.data import TrajectoryDataModule
from gbplan.modules import WorldModelModule

PAGES = [Path("README.md"), Path("CONTRIBUTING.md"), *sorted(Path("docs").glob("*.md"))]
LINKS = [(page, link) for page in PAGES for link in re.findall(r"\]\(([^)#]+)\)", page.read_text())]
# In blocks (four spaces) and in running text; those with an ellipsis are described, not given.
COMMANDS = sorted(
    {
        command
        for page in PAGES
        for text in [re.sub(r"\\\n\s*", "", page.read_text())]
        for command in re.findall(r"(?m)^    (gbplan [a-z]+ {1,2}\S.*)$", text)  # more spaces: an explanation
        + [" ".join(found.split()) for found in re.findall(r"`(gbplan [a-z]+ [^`]*)`", text)]
        if "..." not in command and "CLASS" not in command and "PATH" not in command
    }
)
NOT_RUN = ("--help", "--print_config", "--ckpt_path runs/base/last.ckpt")  # --ckpt_path resumes: tests/test_cli.py does


@pytest.mark.parametrize("command", COMMANDS)
def test_command_parses(command):
    arguments = shlex.split(command, comments=True)[1:]
    if not any(argument.startswith("-") or argument.startswith("runs") for argument in arguments[1:]):
        pytest.skip("names a command, and gives no arguments")
    if any(text in command for text in NOT_RUN):
        pytest.skip("prints, or resumes a run")
    if arguments[0] in GBPlanCLI.subcommands():
        changed = {"subclass_mode_model": True, "run": False, "save_config_callback": None}
        GBPlanCLI(WorldModelModule, TrajectoryDataModule, args=arguments[1:], **changed)
    else:
        output = ["--output=x"] if arguments[0] == "evaluate" and "--output" not in arguments else []
        build_parser().parse_args(arguments + output)


def test_there_is_something_to_test():
    assert {"collect", "fit", "evaluate", "report"} <= {command.split()[1] for command in COMMANDS}


@pytest.mark.parametrize(("page", "link"), LINKS, ids=lambda part: str(part))
def test_link_leads_somewhere(page, link):
    assert link.startswith("http") or (page.parent / link).exists()


@pytest.mark.parametrize("target", sorted(set(re.findall(r"`make ([a-z-]+)", " ".join(p.read_text() for p in PAGES)))))
def test_make_has_the_target(target):
    assert re.search(rf"(?m)^{target}:", Path("Makefile").read_text())


def test_command_line_page_is_what_help_says():
    # By itself: the help lists the classes that are there, and other tests define some.
    code = "import runpy; print(runpy.run_path('docs/make_cli.py')['text'](), end='')"
    page = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert Path("docs/cli.md").read_text() == page, "run `python docs/make_cli.py`"
