"""Write docs/cli.md from the command line's own help: `python docs/make_cli.py`."""

import contextlib
import io
import os
from pathlib import Path

from gbplan.cli import build_parser

HEAD = """# Command line

This page is made by `python docs/make_cli.py` from the output of `--help`. In a checkout, `python cli.py` is the same
command as `gbplan`.

    gbplan collect    write episodes of a policy as a Minari dataset
    gbplan fit        train: LightningCLI's fit, all of trainer, model and data on the command line or in yaml
    gbplan validate   LightningCLI's validate
    gbplan evaluate   measure success on held-out tasks
    gbplan report     make tables, figures and a page from results
    gbplan demo       plan eight tasks with two models of the package, and write a GIF

| exit status | meaning |
|---|---|
| 0 | success |
| 1, with one line | memory or disk is full |
| 2, with one line | bad input (`GBPLAN_DEBUG=1` shows the traceback) |
| 130, 143 | interrupted, terminated; a training prints how to resume it |
| 141 | the output was closed before its end (`\\| head`) |
| 1, with a traceback | a bug |

## fit

    gbplan fit --config configs/door_wall/base.yaml --config configs/door_wall/online.yaml \\
               --seed_everything 1 --trainer.default_root_dir runs/mine

Arguments after `--config` override its values. So does a second `--config`, which needs to contain only the changes.
These arguments are added to LightningCLI's `--trainer.*`, `--model.*` and `--data.*`:

| argument | meaning |
|---|---|
| `--trainer.default_root_dir` | folder of the run: checkpoints, TensorBoard events, `config.yaml` |
| `--model.init_from PATH` | start with the weights of another run's checkpoint |
| `--ckpt_path PATH` | resume a run from its `last.ckpt`, with the arguments with which it was started |
| `--overwrite` | replace the run that is in the folder |
| `--validation.*` | PlanningValidation: success on validation tasks; enabled by `--validation.agent` |
| `--online.*` | OnlineWorldModeling: rounds of online data; enabled by `--online.agent` |
| `--checkpoint.*` | ModelCheckpoint: the measure by which `best.ckpt` is chosen |
| `--num_threads` | CPU threads of torch |

A configuration is code, because a class path in it imports its module. Checkpoints and datasets are not code ([what to
trust](reliability.md)). The argument `--modules` of `evaluate` lists modules whose classes a checkpoint may name.

An agent (`--agent` of `evaluate`, `--validation.agent`, `--online.agent`) consists of a planner, an objective, and
the number of steps between plans. Give it as a file (`--agent configs/agents/gradient_mpc.yaml`), by its parts
(`--agent.planner CEMPlanner --agent.replan_every null`), or as both; later arguments override earlier ones. `null`
means no agent. A path inside a yaml file is relative to that file (`agent: ../agents/gradient_mpc.yaml`), a path on
the command line to the current folder. In a list of callbacks (`trainer.callbacks`), write the agent's parts instead
of a file. `gbplan evaluate --agent.help` lists its arguments.

`gbplan fit --help` lists all other arguments, `gbplan fit --model.help CLASS` the arguments of a model, and `gbplan fit
--print_config` prints a complete configuration.
"""


def help_of(command: str) -> str:
    """Return the command's help."""
    memory = io.StringIO()
    with contextlib.redirect_stdout(memory), contextlib.suppress(SystemExit):
        build_parser(command).parse_args([command, "--help"])
    return memory.getvalue()


def text() -> str:
    """Return the whole page."""
    os.environ["COLUMNS"] = "100"  # of the help's lines
    commands = ("collect", "evaluate", "report", "demo")
    return HEAD + "".join(f"\n## {name}\n\n```text\n{help_of(name).strip()}\n```\n" for name in commands)


if __name__ == "__main__":
    Path(__file__).with_name("cli.md").write_text(text())
