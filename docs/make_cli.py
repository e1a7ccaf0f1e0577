"""Write docs/cli.md from the command line's own help: `python docs/make_cli.py`."""

import contextlib
import io
import os
from pathlib import Path

from gbplan.cli import build_parser

HEAD = """# Command line

Made by `python docs/make_cli.py` from what `--help` says. `python cli.py` is the same command from a checkout.

    gbplan collect    episodes of a policy, as a Minari dataset
    gbplan fit        train: LightningCLI's fit, all of trainer, model and data on the command line or in yaml
    gbplan validate   LightningCLI's validate
    gbplan evaluate   success on held-out tasks
    gbplan report     tables, figures and a page from results
    gbplan demo       two models that come with the package, on eight tasks, as a GIF

Exit status: 0; 2 and one line on bad input, 1 and one line where memory or disk is full (`GBPLAN_DEBUG=1` shows the
traceback); 130 when interrupted, 143 when terminated, and in both cases a training says how to resume; 141 when nobody
reads on (`| head`). Anything else is a bug: 1, and a traceback.

## fit

    gbplan fit --config configs/door_wall/base.yaml --config configs/door_wall/online.yaml \\
               --seed_everything 1 --trainer.default_root_dir runs/mine

What stands after `--config` overrides it; a second `--config` only says what changes. Beside LightningCLI's
`--trainer.*`, `--model.*` and `--data.*`:

| argument | meaning |
|---|---|
| `--trainer.default_root_dir` | folder of the run: checkpoints, TensorBoard events, `config.yaml` |
| `--model.init_from PATH` | begin with the weights of another run's checkpoint |
| `--ckpt_path PATH` | resume a run from its `last.ckpt`, with the arguments it was begun with |
| `--overwrite` | replace the run that is in the folder |
| `--validation.*` | PlanningValidation: success on validation tasks; on once `--validation.agent` is given |
| `--online.*` | OnlineWorldModeling: rounds of online data; on once `--online.agent` is given |
| `--checkpoint.*` | ModelCheckpoint: what `best.ckpt` is chosen by |
| `--num_threads` | CPU threads of torch |

A configuration is code: a class path in it imports its module. Checkpoints and datasets are not ([what to
trust](reliability.md)); the argument `--modules` of `evaluate` names modules whose classes a checkpoint may name.

An agent (`--agent` of `evaluate`, `--validation.agent`, `--online.agent`) is a planner, an objective and when to plan
again: a file, `--agent configs/agents/gradient_mpc.yaml`; its parts, `--agent.planner CEMPlanner --agent.replan_every
null`; or both, where what stands later overrides; `null` is none. A file is named relative to the yaml that names it
(`agent: ../agents/gradient_mpc.yaml`), on the command line relative to the current folder. In a list of callbacks
(`trainer.callbacks`) an agent is written out. `gbplan evaluate --agent.help` lists its arguments.

`gbplan fit --help` lists the rest, `gbplan fit --model.help CLASS` the arguments of a model, `gbplan fit
--print_config` a complete configuration.
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
