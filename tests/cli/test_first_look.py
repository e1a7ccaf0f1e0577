import re
from pathlib import Path

import pytest

from gbplan.cli import GBPlanCLI, build_parser, main
from gbplan.cli.first_look import arguments_of, read_yaml, require_plausible
from gbplan.data import TrajectoryDataModule
from gbplan.modules import WorldModelModule

COMMANDS = ("collect", "demo", "evaluate", "report", "fit", "validate")


class Parsers(GBPlanCLI):
    """Keeps the parsers, and parses nothing."""

    def parse_arguments(self, parser, args):
        raise StopIteration(self._subcommand_parsers)


@pytest.fixture(scope="module")
def parsers():
    """The full parser of every command."""
    with pytest.raises(StopIteration) as stop:
        Parsers(WorldModelModule, TrajectoryDataModule, subclass_mode_model=True, args=["fit"])
    made = build_parser("collect", "demo", "evaluate", "report")
    return {**made._subcommands_action.choices, **stop.value.value}


def options_of(parser):
    """Names of the options that are not help."""
    names = {option for action in parser._actions for option in action.option_strings if option.startswith("--")}
    return {name.removesuffix("+") for name in names if not name.endswith("help")}


def flat(arguments, prefix="--"):
    for name, takes in arguments.items():
        yield prefix + name
        if isinstance(takes, dict):
            yield from flat(takes, f"{prefix}{name}.")


@pytest.mark.parametrize("command", COMMANDS)
def test_first_look_knows_the_options_of_the_parser_and_no_others(command, parsers):
    known, accepted = set(flat(arguments_of(command))), options_of(parsers[command])
    assert accepted <= known
    # Of a record that may be null the parser makes options when it sees one; where checkpoints lie follows from the
    # run's folder.
    of_records = r"--(?:\w+\.)?agent\.\w+" + (r"|--trainer\.\w+" if command == "evaluate" else "")
    more = {name for name in known - accepted if not re.fullmatch(of_records, name)}
    assert more <= {"--checkpoint.dirpath", "--help", "--folder"}
    for option in accepted:
        require_plausible(command, [option])


@pytest.mark.parametrize("config", sorted(Path("configs").rglob("*.yaml")), ids=str)
def test_first_look_accepts_what_the_parser_does(config):
    read_yaml(config)
    if config.parent.name == "planners":
        require_plausible("fit", ["--online.agent.planner", str(config)])
    elif config.parent.name == "agents":
        require_plausible("evaluate", ["--agent", str(config)])
    else:
        command = next((each for each in ("collect", "evaluate") if config.stem.startswith(each)), "fit")
        require_plausible("evaluate" if config.parent.name == "worlds" else command, ["--config", str(config)])


@pytest.mark.parametrize(
    "line",
    [
        "fit -c configs/door_wall/base.yaml",
        "fit --trainer.callbacks+=LearningRateMonitor --trainer.callbacks.logging_interval step --print_config",
        "fit --model.init_args.optimizer.lr=-1e-3 --trainer.max_epochs=null --trainer.limit_train_batches 0.5",
        "fit --config '{trainer: {max_epochs: 3}}'",
        "fit --trainer.gradient_clip_val=1e-3 --data.seed -1 --overwrite --trainer.max_epochs 3",
        "evaluate --agent.help",
        "evaluate --tasks.env_kwargs.file=not_there.yaml --agent.planner.init_args.horizon=3",
        "evaluate --output 3 --name null --kinds [a,b]",
        "report runs --names '[a*]'",
    ],
)
def test_what_only_the_parser_knows_is_left_to_it(line):
    import shlex

    command, *words = shlex.split(line)
    require_plausible(command, words)


WRONG = {
    "fit --bogus 3": "unrecognized arguments: --bogus",
    "fit -x": "unrecognized arguments: -x",
    "fit --trainer.max_epoch=3": "unrecognized arguments: --trainer.max_epoch; did you mean --trainer.max_epochs?",
    "fit --trainer.max_epochs.x=3": "unrecognized arguments: --trainer.max_epochs.x",
    "fit --trainer.max_epochs 2.5": "--trainer.max_epochs takes int or null, got 2.5",
    "fit --trainer.max_epochs many": "--trainer.max_epochs takes int or null, got 'many'",
    "fit --trainer.max_epochs [3]": "--trainer.max_epochs takes int or null, got [3]",
    "fit base.yaml": "unrecognized arguments: base.yaml; a file of arguments is named with --config base.yaml",
    "fit --config base.yaml more": "there is no file base.yaml (looked for in ",
    "validate --online.tasks.cuont 3": "did you mean --online.tasks.count?",
    "evaluate --agent.replan_ever 3": "did you mean --agent.replan_every?",
    "evaluate --agent.planner no.yaml": "there is no file no.yaml (looked for in ",
    "evaluate --simulator maybe": "--simulator takes bool, got 'maybe'",
    "report a b": "unrecognized arguments: b",
    "report a --figure b": "did you mean --figures?",
}


@pytest.mark.parametrize(("line", "message"), WRONG.items())
def test_wrong_argument_is_reported(line, message, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(line.split())
    (shown,) = capsys.readouterr().err.splitlines()
    assert message in shown


FILES = {
    "trainer: {max_epochs: 3}\ntrainer: {max_epochs: 4}": "gives 'trainer' twice in one mapping, again in line 2",
    "model:\n  class_path: A\n  init_args: {a: 1, b: 2, a: 3}": "gives 'a' twice in one mapping, again in line 3",
    "trainer: {callbacks: [{a: 1, a: 2}]}": "gives 'a' twice",
    "trainer: {max_epoch: 3}": "gives trainer.max_epoch, which is no argument; did you mean max_epochs?",
    "bogus: 3": "gives bogus, which is no argument",
    "trainer: {max_epochs: many}": "trainer.max_epochs takes int or null, got 'many'",
    "trainer: {max_epochs: {a: 1}}": "trainer.max_epochs takes int or null, got {'a': 1}",
    "[1, 2]": "must hold a mapping of arguments to values, got [1, 2]",
    "{": "is not a yaml file: ",
    "\x00": "is not a yaml file: ",
    "online: {agent: no.yaml}": "there is no file ",
    "online: {agent: {planner: no.yaml}}": "there is no file ",
    "config: bad.yaml": "is a part of itself",
    "trainer: bad.yaml": "is a part of itself",
}


@pytest.mark.parametrize(("content", "message"), FILES.items())
def test_wrong_file_is_reported(content, message, tmp_path, capsys):
    (tmp_path / "bad.yaml").write_text(content)
    with pytest.raises(SystemExit, match="2"):
        main(["fit", "--config", str(tmp_path / "bad.yaml")])
    (shown,) = capsys.readouterr().err.splitlines()
    assert message in shown
    assert "bad.yaml" in shown


def test_wrong_file_named_by_another_is_reported(tmp_path, capsys):
    (tmp_path / "agent.yaml").write_text("planner: planner.yaml\n")
    (tmp_path / "planner.yaml").write_text("class_path: CEMPlanner\ninit_args: {horizon: 3, horizon: 4}\n")
    (tmp_path / "fit.yaml").write_text("online: {agent: agent.yaml}\n")
    for line in (f"fit --config {tmp_path}/fit.yaml", f"evaluate --agent {tmp_path}/agent.yaml"):
        with pytest.raises(SystemExit, match="2"):
            main(line.split())
        assert "planner.yaml gives 'horizon' twice" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        main(["fit", "--config", str(tmp_path)])
    assert "is not a yaml file" in capsys.readouterr().err


def test_a_yaml_file_may_repeat_by_anchors_and_merging(tmp_path):
    (tmp_path / "x.yaml").write_text("a: &a {b: 1}\nc: *a\nd: {<<: *a, b: 2}\n")
    assert read_yaml(tmp_path / "x.yaml") == {"a": {"b": 1}, "c": {"b": 1}, "d": {"b": 2}}
