"""The README's commands parse and its Python runs."""

import re
import shlex
from pathlib import Path

import pytest

from gbplan.cli import GBPlanCLI, build_parser
from gbplan.data import TrajectoryDataModule
from gbplan.modules import WorldModelModule

README = Path("README.md").read_text()
SNIPPETS = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
COMMANDS = [
    shlex.split(line, comments=True)[1:]
    for line in re.sub(r"\\\n\s*", "", README).splitlines()
    if line.startswith("    gbplan ")
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_command_parses(command):
    if command[0] not in GBPlanCLI.subcommands():
        build_parser().parse_args(command)
    elif "--ckpt_path" in command:
        pytest.skip("resumes a run, as tests/test_cli.py does")
    else:
        arguments = {"subclass_mode_model": True, "run": False, "save_config_callback": None}
        GBPlanCLI(WorldModelModule, TrajectoryDataModule, args=command[1:], **arguments)


@pytest.mark.parametrize("snippet", SNIPPETS, ids=lambda snippet: snippet.splitlines()[0])
def test_python_runs(snippet, base_run, monkeypatch):
    small = {"runs/base/best.ckpt": str(base_run / "best.ckpt"), "num_envs=32": "num_envs=4", "count=32": "count=4"}
    for written, used in small.items():
        snippet = snippet.replace(written, used)
    exec(compile(snippet, "README.md", "exec"), {})


def test_there_is_something_to_test():
    assert len(SNIPPETS) >= 2
    assert {"collect", "fit", "evaluate", "report"} <= {command[0] for command in COMMANDS}
