import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import gymnasium as gym
import pytest
import torch
import yaml
from jsonargparse import ArgumentParser
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from gbplan.callbacks import OnlineWorldModeling, PlanningValidation
from gbplan.cli import GBPlanCLI, build_parser, main, run
from gbplan.data import TrajectoryDataModule
from gbplan.evaluation import TaskSet
from gbplan.modules import WorldModelModule
from gbplan.networks import Predictor

CONFIGS = sorted(Path("configs").rglob("*.yaml"))
PLANNERS = [path for path in CONFIGS if path.parent.name == "planners"]
AGENTS = [path for path in CONFIGS if path.parent.name == "agents"]
FITS = [path for path in CONFIGS if re.search(r"(?m)^(trainer|model|online|validation):", path.read_text())]
EVALUATIONS = [path for path in CONFIGS if path.name.startswith("evaluate")]
COLLECTIONS = [path for path in CONFIGS if path.name.startswith("collect")]
WORLDS = [path for path in CONFIGS if path.parent.name == "worlds"]
MODELS = [path for path in CONFIGS if path.parent.name == "models"]


def behind(config, usual):
    """A configuration, behind the one of its task that it changes; of DoorWall-v0 where its folder has none."""
    before = config.with_name(f"{usual}.yaml")
    if not before.exists() or "retrained" in config.parts:
        before = Path("configs/door_wall", before.name)
    return [f"--config={path}" for path in dict.fromkeys([before, config])]


def test_every_config_is_parsed_by_one_of_the_tests_below():
    assert set(CONFIGS) == {*PLANNERS, *AGENTS, *FITS, *EVALUATIONS, *COLLECTIONS, *WORLDS, *MODELS}


@pytest.mark.parametrize("config", [path for path in FITS if path.stem not in ("base", "init_network")], ids=str)
def test_method_says_in_a_few_lines_what_it_changes(config):
    assert len(config.read_text().splitlines()) <= 15


@pytest.mark.parametrize(("name", "million"), [("dino_wm", 20.3), ("leworldmodel", 10.9)])
def test_published_predictors_are_built_from_their_files(name, million):
    assert {path.stem for path in MODELS} == {"dino_wm", "leworldmodel"}
    parser = ArgumentParser()
    parser.add_subclass_arguments(Predictor, "predictor")
    predictor = parser.instantiate(parser.parse_args([f"--predictor=configs/models/{name}.yaml"])).predictor
    assert sum(parameter.numel() for parameter in predictor.parameters()) == pytest.approx(1e6 * million, rel=0.01)


@pytest.mark.parametrize("config", COLLECTIONS, ids=str)
def test_collect_config_parses(config):
    build_parser("collect").parse_args(["collect", *behind(config, "collect")])


@pytest.mark.parametrize("config", EVALUATIONS, ids=str)
def test_evaluate_config_parses(config):
    build_parser("evaluate").parse_args(
        ["evaluate", *behind(config, "evaluate"), "--policy=ExpertPolicy", "--output=x"]
    )


@pytest.fixture(scope="module")
def built():
    """Return a function that builds the agent of a command line."""
    parser = build_parser("evaluate")

    def build(*args):
        return parser.instantiate(parser.parse_args(["evaluate", "--output=x", *args]))["evaluate"]["agent"]

    return build


@pytest.mark.parametrize("agent", AGENTS, ids=str)
def test_agent_builds_from_its_file(built, agent):
    assert built(f"--agent={agent}").open_loop == ("open_loop" in agent.stem)


@pytest.mark.parametrize("planner", PLANNERS, ids=str)
def test_planner_of_an_agent_may_be_exchanged(built, planner):
    changed = built("--agent=configs/agents/cem_mpc.yaml", f"--agent.planner={planner}")
    named = yaml.safe_load(planner.read_text())["class_path"]
    assert (type(changed.planner).__name__, changed.replan_every) == (named, 5)


@pytest.mark.parametrize("world", WORLDS, ids=str)
def test_world_config_makes_another_world(world):
    files = ["--config=configs/door_wall/evaluate.yaml", f"--config={world}"]
    parsed = build_parser("evaluate").parse_args(["evaluate", *files, "--policy=ExpertPolicy", "--output=x"])[
        "evaluate"
    ]
    tasks = TaskSet(**parsed["tasks"])
    env = gym.make(tasks.env_id, **tasks.env_kwargs)
    assert env.unwrapped.world != gym.make(tasks.env_id).unwrapped.world
    assert len(replace(tasks, kind="detour", count=4, split="validation").draw()) == 4


@pytest.mark.parametrize(
    "config",
    [
        pytest.param(path, marks=() if str(path) == "configs/door_wall/online_noise.yaml" else pytest.mark.end_to_end)
        for path in FITS
    ],
    ids=str,
)
def test_fit_config_parses_and_builds(config, hub):
    cli = GBPlanCLI(
        WorldModelModule,
        TrajectoryDataModule,
        subclass_mode_model=True,
        run=False,
        save_config_callback=None,
        args=behind(config, config.stem if config.stem == "init_network" else "base"),
    )
    assert isinstance(cli.model, WorldModelModule)


def training(*args):
    return GBPlanCLI(
        WorldModelModule,
        TrajectoryDataModule,
        subclass_mode_model=True,
        run=False,
        save_config_callback=None,
        args=["--config=configs/door_wall/base.yaml", *args],
    )


def parts_of_training(*args):
    callbacks = training(*args).trainer.callbacks
    return [part for part in callbacks if isinstance(part, PlanningValidation | OnlineWorldModeling)]


def test_a_parsed_configuration_is_written_alike_without_checking_it_again():
    cli = training("--config=configs/door_wall/online_adversarial.yaml")
    texts = [cli.parser.dump(cli.config, skip_none=False, skip_validation=skipped) for skipped in (False, True)]
    assert texts[0] == texts[1]
    assert "online:" in texts[0]


def test_callbacks_that_plan_are_part_of_a_training_once_they_have_an_agent():
    online = "--config=configs/door_wall/online.yaml"
    assert parts_of_training() == []
    validation, rounds = parts_of_training(online, "--online.agent.planner.iterations=3", "--online.tasks.count=7")
    assert (validation.agent.planner.iterations, rounds.agent.planner.iterations) == (12, 3)
    assert (validation.tasks.split, rounds.tasks.split, rounds.tasks.count) == ("validation", "training", 7)
    assert rounds.kinds == ["uniform", "detour"]
    (validation,) = parts_of_training(online, "--online.agent=null")
    assert isinstance(validation, PlanningValidation)
    (rounds,) = parts_of_training("--online.agent=configs/agents/cem_open_loop.yaml")
    assert (rounds.agent.open_loop, rounds.open_loop_fraction) == (True, 1.0)


def test_callback_may_still_be_named_in_a_list_with_its_agent_written_out(tmp_path):
    agent = {"planner": {"class_path": "CEMPlanner", "init_args": {"horizon": 5}}, "replan_every": None}
    callback = {"class_path": "PlanningValidation", "init_args": {"agent": agent, "tasks": {"kind": "detour"}}}
    (tmp_path / "list.yaml").write_text(yaml.safe_dump({"trainer": {"callbacks": [callback]}}))
    (validation,) = parts_of_training(f"--config={tmp_path / 'list.yaml'}")
    assert (validation.agent.planner.horizon, validation.agent.open_loop) == (5, True)
    assert (validation.tasks.kind, validation.tasks.count, validation.tasks.split) == ("detour", 128, "validation")


@pytest.mark.parametrize(
    ("name", "mistyped", "told"),
    [
        (
            "MLPPredictor",
            "MLPPredicto",
            "model.world_model.predictor names the class MLPPredicto, .*; did you mean MLPPredictor[?] "
            "known are (?!.*EnvironmentDynamics).*MLPPredictor, ",  # which is a predictor, but none to train
        ),
        ("IdentityEncoder", "gbplan.networks.Identity", "model.world_model.encoder names .*mean IdentityEncoder[?]"),
        ("WorldModelModule", "WorldModule", "model names the class WorldModule, .*did you mean WorldModelModule[?]"),
    ],
)
def test_mistyped_class_in_a_configuration_is_named_with_the_one_meant(capsys, tmp_path, name, mistyped, told):
    text = Path("configs/door_wall/base.yaml").read_text()
    (tmp_path / "mine.yaml").write_text(text.replace(f"class_path: {name}", f"class_path: {mistyped}"))
    assert re.search(told, error_of(capsys, "fit", f"--config={tmp_path}/mine.yaml"))


def test_agent_of_a_training_that_is_none_is_one_line(capsys, tmp_path):
    base = ("fit", "--config=configs/door_wall/base.yaml")
    assert "known are CEMPlanner, " in error_of(capsys, *base, "--online.agent.planner=NoSuchPlanner")
    assert "there is no file no.yaml" in error_of(capsys, *base, "--validation.agent=no.yaml")
    assert "model.regularizer names the class Label, which does not exist; did you mean Labels? " in error_of(
        capsys, *base, "--model.regularizer=Label"
    )
    (tmp_path / "agent.yaml").write_text("planner: {class_path: GradientPlanner, init_args: {noise: Knot}}")
    assert "online.agent.planner.noise names the class Knot, which does not exist; did you mean Knots? " in error_of(
        capsys, *base, f"--online.agent={tmp_path}/agent.yaml"
    )
    assert "must have tasks of the training split, got held_out" in error_of(
        capsys, *base, "--online.agent=configs/agents/cem_mpc.yaml", "--online.tasks.split=held_out"
    )


@pytest.mark.parametrize(
    ("gradient", "cem"),
    [
        ("gradient", "cem_equal_calls"),
        ("gradient_open_loop", "cem_open_loop_equal_calls"),
        ("gradient_384_rollouts", "cem_384_rollouts"),
    ],
)
def test_equal_calls_configs_spend_what_the_gradient_planner_spends(gradient, cem):
    descent, search = (
        yaml.safe_load(Path("configs/planners", f"{name}.yaml").read_text())["init_args"] for name in (gradient, cem)
    )
    assert descent["horizon"] == search["horizon"]
    refined = descent["restarts"] * (2 * descent["iterations"] + 1)
    assert descent["num_samples"] + refined == search["num_samples"] * search["iterations"]


def test_planner_is_chosen_by_its_short_name():
    parser = build_parser("evaluate")
    named = ["--agent.planner=CEMPlanner", "--agent.planner.num_samples=77", "--agent.replan_every=null"]
    agent = parser.instantiate(parser.parse_args(["evaluate", "--output=x", *named]))["evaluate"]["agent"]
    planner = agent.planner
    assert agent.open_loop
    assert (type(planner).__name__, planner.num_samples) == ("CEMPlanner", 77)


@pytest.mark.end_to_end
def test_checkout_script_equals_the_installed_command():
    script = subprocess.run([sys.executable, "cli.py", "--help"], capture_output=True, text=True, check=True)
    command = subprocess.run(
        [Path(sys.executable).with_name("gbplan"), "--help"], capture_output=True, text=True, check=True
    )
    assert script.stdout == command.stdout
    for name in ("collect", "demo", "fit", "evaluate", "report"):
        assert name in script.stdout
    assert "predict" not in script.stdout


def error_of(capsys, *args):
    with pytest.raises(SystemExit) as exit_info:
        main(args)
    assert exit_info.value.code == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("gbplan: error: ")]
    assert len(lines) == 1
    return lines[0]


def test_finished_run_is_not_trained_over(capsys, base_run, dataset_root):
    before = (base_run / "last.ckpt").read_bytes()
    line = error_of(
        capsys,
        "fit",
        "--config=configs/door_wall/base.yaml",
        f"--trainer.default_root_dir={base_run}",
        f"--data.root={dataset_root}",
    )
    assert "already holds a run; resume it with --ckpt_path" in line
    assert (base_run / "last.ckpt").read_bytes() == before


@pytest.mark.end_to_end
def test_broken_checkpoint_is_one_line_and_stays(capsys, base_run, tmp_path):
    cut = tmp_path / "cut.ckpt"
    cut.write_bytes((base_run / "last.ckpt").read_bytes()[:5000])
    arguments = ("--config=configs/door_wall/base.yaml", f"--trainer.default_root_dir={tmp_path / 'run'}")
    assert "is not a complete checkpoint" in error_of(capsys, "fit", *arguments, f"--ckpt_path={cut}")
    assert "there is no checkpoint at" in error_of(capsys, "fit", *arguments, f"--ckpt_path={tmp_path / 'no.ckpt'}")
    for content in (b"", b"text", b"name: yaml"):
        (tmp_path / "odd.ckpt").write_bytes(content)
        assert "is not a complete checkpoint" in error_of(
            capsys, "fit", *arguments, f"--ckpt_path={tmp_path / 'odd.ckpt'}"
        )
        assert "is not a complete checkpoint" in error_of(
            capsys, "fit", *arguments, f"--model.init_from={tmp_path / 'odd.ckpt'}"
        )
    assert cut.stat().st_size == 5000


def test_checkpoint_of_another_class_does_not_replace_the_requested_class(capsys, base_run, tmp_path):
    checkpoint = torch.load(base_run / "last.ckpt", weights_only=True)
    checkpoint["hyper_parameters"]["_class_path"] = "somewhere.OtherModule"
    torch.save(checkpoint, tmp_path / "other.ckpt")
    line = error_of(
        capsys,
        "fit",
        "--config=configs/door_wall/base.yaml",
        f"--trainer.default_root_dir={tmp_path / 'run'}",
        f"--ckpt_path={tmp_path / 'other.ckpt'}",
    )
    assert "was trained by somewhere.OtherModule, not by" in line
    assert "--model.init_from" in line


def test_refused_resume_leaves_the_runs_config_as_it_was(capsys, base_run, tmp_path):
    before = (base_run / "config.yaml").read_bytes()
    resume = ("fit", f"--config={base_run / 'config.yaml'}", f"--ckpt_path={base_run / 'last.ckpt'}")
    assert "there is no dataset" in error_of(capsys, *resume, f"--data.root={tmp_path}")
    assert (base_run / "config.yaml").read_bytes() == before


@pytest.mark.parametrize(
    ("argument", "change"),
    [
        ("--model.optimizer.init_args.lr=0.5", "model.optimizer.init_args.lr: 0.001, now 0.5"),
        ("--data.batch_size=64", "data.batch_size: 256, now 64"),
        ("--trainer.gradient_clip_val=1.0", "trainer.gradient_clip_val: None, now 1.0"),
    ],
)
def test_resuming_with_another_configuration_is_refused(capsys, base_run, argument, change):
    before = {path.name: path.read_bytes() for path in base_run.iterdir()}
    resume = ("fit", f"--config={base_run / 'config.yaml'}", f"--ckpt_path={base_run / 'last.ckpt'}")
    line = error_of(capsys, *resume, argument)
    assert change in line
    assert "begin a new run with --model.init_from" in line
    assert {path.name: path.read_bytes() for path in base_run.iterdir()} == before


def damaged(base_run, tmp_path, damage):
    checkpoint = torch.load(base_run / "last.ckpt", weights_only=True)
    damage(checkpoint)
    torch.save(checkpoint, tmp_path / "damaged.ckpt")
    return f"--ckpt_path={tmp_path / 'damaged.ckpt'}"


@pytest.mark.end_to_end
@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda it: (it.pop("loops"), it.pop("optimizer_states")), "holds weights only"),
        (lambda it: it.pop("TrajectoryDataModule"), "does not name the replay buffer that its run had"),
        (lambda it: it.update(epoch=-5), "claims epoch -5, but its training counted 1"),
        (
            lambda it: it["state_dict"]["world_model.normalizer.latent_std"].zero_(),
            "has a zero in normalizer.latent_std",
        ),
        (lambda it: it["state_dict"].pop("world_model.normalizer.action_std"), "has no normalizer.action_std"),
        (lambda it: it["surroundings"].update(processes=2), "begun elsewhere (processes: 2, now 1)"),
        (
            lambda it: it["surroundings"].update(strategy="DDPStrategy"),
            "strategy: DDPStrategy, now Single",
        ),
        (
            lambda it: it["surroundings"]["environment"].update(id="Other-v0"),
            "id: Other-v0, now DoorWall-v0",
        ),
    ],
)
def test_a_checkpoint_that_a_training_cannot_go_on_from_is_refused_by_name(capsys, base_run, tmp_path, damage, reason):
    path = damaged(base_run, tmp_path, damage)
    folder = f"--trainer.default_root_dir={tmp_path / 'run'}"
    assert reason in error_of(capsys, "fit", f"--config={base_run / 'config.yaml'}", path, folder)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (
            lambda weights: weights.pop("world_model.predictor.net.0.bias"),
            "(predictor.net.0.bias: expected (128,), but it is missing); it is damaged",
        ),
        (
            lambda weights: weights.update({"world_model.predictor.net.0.bias": torch.zeros(3)}),
            "(predictor.net.0.bias: expected (128,), got (3,)); it is damaged",
        ),
        (
            lambda weights: weights.update({"world_model.other": torch.zeros(3)}),
            "(other: expected none, got (3,)); it is damaged",
        ),
    ],
    ids=["missing", "shape", "unknown"],
)
def test_a_model_with_other_weights_than_it_describes_is_not_evaluated(capsys, base_run, tmp_path, damage, reason):
    path = damaged(base_run, tmp_path, lambda it: damage(it["state_dict"]))
    how = (f"--output={tmp_path / 'out'}", "--agent=configs/agents/gradient_mpc.yaml", "--tasks.env_id=DoorWall-v0")
    line = error_of(capsys, "evaluate", path, *how)
    assert f"does not have the weights of the model that it describes {reason}" in line


@pytest.mark.end_to_end
def test_a_run_is_not_replaced_by_one_resumed_from_elsewhere(capsys, base_run, fit, tmp_path):
    run = fit(tmp_path / "run", epochs=1)
    go_on = (f"--ckpt_path={base_run / 'last.ckpt'}", f"--trainer.default_root_dir={run}")
    assert "already holds a run" in error_of(capsys, "fit", f"--config={base_run / 'config.yaml'}", *go_on)
    assert torch.load(run / "last.ckpt", weights_only=True)["epoch"] == 0


@pytest.mark.end_to_end
def test_a_run_that_has_moved_keeps_its_best_score(fit, tmp_path):
    worse = ("--model.scheduler=null", "--model.optimizer=torch.optim.SGD", "--model.optimizer.init_args.maximize=true")
    fit(tmp_path / "here", *worse, epochs=1)
    (tmp_path / "here").rename(tmp_path / "there")
    best = (tmp_path / "there" / "best.ckpt").read_bytes()
    fit(tmp_path / "there", *worse, f"--ckpt_path={tmp_path / 'there' / 'last.ckpt'}", epochs=2)
    assert (tmp_path / "there" / "best.ckpt").read_bytes() == best
    assert torch.load(tmp_path / "there" / "last.ckpt", weights_only=True)["epoch"] == 1


@pytest.mark.end_to_end
def test_a_fit_that_fails_leaves_no_folder_that_looks_like_a_run(fit, tmp_path, monkeypatch):
    def fail(module, batch, index):
        assert (tmp_path / "run" / "config.yaml").exists()
        raise ValueError("in the first batch")

    monkeypatch.setattr(WorldModelModule, "training_step", fail)
    with pytest.raises(ValueError, match="in the first batch"):
        fit(tmp_path / "run")
    assert not (tmp_path / "run").exists()
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "notes.txt").touch()
    with pytest.raises(ValueError, match="in the first batch"):
        fit(tmp_path / "run")
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["notes.txt"]


@pytest.mark.end_to_end
def test_checkpoints_of_fit_are_written_beside_their_targets(fit, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "on another file system"))
    assert {"best.ckpt", "last.ckpt"} <= {path.name for path in fit(tmp_path / "run", epochs=1).iterdir()}


def test_validate_reports_and_leaves_the_runs_config_as_it_was(base_run, capsys):
    before = (base_run / "config.yaml").read_bytes()
    config = yaml.safe_load(before)
    for key in ("ckpt_path", "weights_only"):
        config.pop(key, None)
    other = base_run.parent / "validate.yaml"
    other.write_text(yaml.safe_dump(config))
    main(["validate", f"--config={other}", f"--ckpt_path={base_run / 'best.ckpt'}"])
    assert "val/one_step_error" in capsys.readouterr().out
    assert (base_run / "config.yaml").read_bytes() == before
    assert "add --ckpt_path" in error_of(capsys, "validate", f"--config={other}")


@pytest.mark.end_to_end
def test_last_checkpoint_is_of_the_last_epoch_even_if_the_model_got_worse(fit, tmp_path):
    # without a step no epoch improves on the first
    still = ("--model.scheduler=null", "--model.optimizer.init_args.lr=0.0")
    run = fit(tmp_path / "run", *still, epochs=3)
    epochs = {name: torch.load(run / f"{name}.ckpt", weights_only=True)["epoch"] for name in ("best", "last")}
    assert epochs == {"best": 0, "last": 2}


@pytest.mark.end_to_end
def test_best_model_of_an_interrupted_run_is_that_of_the_whole_one(fit, tmp_path):
    # Each epoch is worse than the one before, so the best is the first, which a resumed run has to know of.
    worse = ("--model.scheduler=null", "--model.optimizer=torch.optim.SGD", "--model.optimizer.init_args.maximize=true")
    first = fit(tmp_path / "run", *worse, epochs=1)
    best = (first / "best.ckpt").read_bytes()
    fit(first, *worse, f"--ckpt_path={first / 'last.ckpt'}", epochs=2)
    assert (first / "best.ckpt").read_bytes() == best
    assert torch.load(first / "last.ckpt", weights_only=True)["epoch"] == 1


@pytest.mark.end_to_end
def test_fit_says_what_the_best_model_scored(fit, tmp_path, capsys):
    fit(tmp_path / "run", epochs=1)
    assert re.search(r"the model is in \S+ \(best.ckpt with val/loss [0-9.e-]+, last.ckpt\)", capsys.readouterr().out)


@pytest.mark.end_to_end
def test_monitor_that_nothing_logs_is_named_when_the_best_model_is_the_last(fit, tmp_path, capsys):
    # Lightning notices by itself only where a validation has run.
    typo = ("--checkpoint.monitor=val/sucess", "--checkpoint.save_on_train_epoch_end=true")
    fit(tmp_path / "run", *typo, "--trainer.check_val_every_n_epoch=5", epochs=1)
    said = capsys.readouterr().out
    assert "the model is in" in said
    assert "(best.ckpt, last.ckpt)" in said
    told = (
        "best.ckpt is the model of the last epoch, not of the best one: checkpoint.monitor is val/sucess, and no epoch"
    )
    assert f"{told} logged this value; logged values are train/" in said


def test_a_file_that_changes_another_asks_for_that_one(capsys):
    for name in ("online", "online_adversarial"):
        told = error_of(capsys, "fit", f"--config=configs/door_wall/{name}.yaml")
        assert "the configuration is not complete (model" in told
        assert "give that other one before it" in told


def test_an_argument_without_a_type_is_named(capsys, tmp_path, monkeypatch):
    (tmp_path / "hill.py").write_text(
        "from gbplan.planners import Planner\n"
        "class Climb(Planner):\n"
        "    def __init__(self, horizon): super().__init__(horizon)\n"
        "    def _plan(self, problem, init, horizon, generator): ...\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    told = error_of(capsys, "evaluate", "--output=x", "--agent.planner=hill.Climb", "--agent.planner.horizon=3")
    assert "the argument horizon of hill.Climb has no type, which the command line needs; write `horizon: int`" in told


def test_overwrite_is_a_flag(capsys, tmp_path):
    collect = ("collect", "--config=configs/door_wall/collect.yaml", f"--root={tmp_path}", "--episodes=2")
    main([*collect])
    assert "replace it with --overwrite" in error_of(capsys, *collect)
    main([*collect, "--overwrite"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("--agent.planner=GradientPlanner", "--agent.planner.horizon=many"),
            "Expected a <class 'int'>. Got value: many",
        ),
        (
            ("--agent.planner=GradientPlanner", "--agent.planner.horizn=3"),
            "Option 'horizn' is not accepted; did you mean horizon?",
        ),
        (("--agent.planner=GradientPlanner", "--agent.planner.nois.scale=3"), "--nois.scale=3; did you mean noise?"),
        (("--agent.planner=GradientPlanner", "--agent.replan=3"), "did you mean --agent.replan_every?"),
        (
            ("--agent.planner=NoSuch",),
            "agent.planner names the class NoSuch, which does not exist; known are CEMPlanner, ",
        ),
        (
            ("--agent.planner=GradientPlaner",),
            "names the class GradientPlaner, which does not exist; did you mean Grad",
        ),
        (
            ("--agent.planner=Gradient Planner",),
            "names the class Gradient Planner, which does not exist; did you mean Grad",
        ),
        (("--agent.planner=",), "agent.planner names no class; known are CEMPlanner, "),
        (("--agent.planner=gbplan.planners.GradientPlaner",), "; did you mean GradientPlanner? known are CEMPlanner, "),
        (("--agent.planner=GradientPlanner", "--agent.objective=NoSuch"), "known are GoalMSE, "),
        (("--agent.planner=no_such.yaml",), "there is no file no_such.yaml (looked for in "),
        (("--agent=no_such.yaml",), "there is no file no_such.yaml (looked for in "),
        (("--agent", "no/such.yml"), "there is no file no/such.yml (looked for in "),
        (("--agent.replan_every=5",), "the following arguments are required: planner"),
        (("--agent.planner=GradientPlanner", "--agent.replan_every=0"), "replan_every must be at least 1, got 0"),
    ],
)
def test_bad_agent_arguments_are_one_line(capsys, tmp_path, arguments, message):
    line = error_of(capsys, "evaluate", f"--output={tmp_path}", "--simulator=true", *arguments)
    assert message in line


def test_unknown_argument_is_one_line(capsys):
    assert "--no_such_thing" in error_of(
        capsys, "collect", "--config=configs/door_wall/collect.yaml", "--no_such_thing=1"
    )
    assert "no_such_thing" in error_of(
        capsys, "fit", "--config=configs/door_wall/base.yaml", "--trainer.no_such_thing=1"
    )
    assert "no_such_command" in error_of(capsys, "no_such_command")


@pytest.mark.end_to_end
@pytest.mark.parametrize(
    ("number", "code", "word"), [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")]
)
@pytest.mark.parametrize("epoch", [0, 1])
def test_stopped_training_says_how_to_resume_and_is_not_taken_for_a_complete_one(
    fit, tmp_path, monkeypatch, capsys, number, code, word, epoch
):
    def stop(module):
        if module.current_epoch == epoch:
            os.kill(os.getpid(), number)

    before = signal.getsignal(signal.SIGINT)
    monkeypatch.setattr(WorldModelModule, "on_train_epoch_start", stop)
    monkeypatch.setattr("gbplan.cli.command.run", lambda args: fit(tmp_path / "run", "--overwrite"))
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "last.ckpt").write_text("of the run that is overwritten")
    try:
        with pytest.raises(SystemExit) as exit_info:
            main(["fit"])
    finally:
        signal.signal(signal.SIGINT, before)  # Lightning ignores it from then on
    assert exit_info.value.code == code
    how = f"go on with: gbplan fit --config {tmp_path}/run/config.yaml --ckpt_path {tmp_path}/run/last.ckpt"
    line = capsys.readouterr().err.splitlines()[-1]
    assert line == f"gbplan: {word}; {how if epoch else 'there is no checkpoint yet to go on from'}"


@pytest.mark.slow
def test_interrupted_command_resumes_with_the_command_it_printed(tmp_path, dataset_root):
    gbplan = str(Path(sys.executable).with_name("gbplan"))
    folder = tmp_path / "run"
    command = [gbplan, "fit", "--config=configs/door_wall/base.yaml", f"--trainer.default_root_dir={folder}"]
    command += [f"--data.root={dataset_root}", "--data.datasets=[door-wall/tiny-v0]", "--data.validation_steps=10"]
    command += ["--model.validation_horizons=[1]"]
    with subprocess.Popen([*command, "--trainer.max_epochs=100000"], stderr=subprocess.PIPE, text=True) as process:
        while not (folder / "last.ckpt").exists():
            assert process.poll() is None
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
        how = process.stderr.read().splitlines()[-1].removeprefix("gbplan: interrupted; go on with: ").split()
    done = torch.load(folder / "last.ckpt", weights_only=True)["epoch"]
    subprocess.run([gbplan, *how[1:], f"--trainer.max_epochs={done + 2}"], check=True)
    assert torch.load(folder / "last.ckpt", weights_only=True)["epoch"] == done + 1


@pytest.mark.end_to_end
def test_fit_says_nothing_a_user_cannot_act_on(fit, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr("gbplan.cli.command.run", lambda args: fit(tmp_path / "run", "--trainer.log_every_n_steps=1"))
    with warnings.catch_warnings(record=True) as caught:
        main(["fit"])
    assert not [str(warning.message) for warning in caught]
    assert caplog.messages == ["Seed set to 0", "`Trainer.fit` stopped: `max_epochs=2` reached."]


@pytest.mark.end_to_end
def test_overwriting_a_run_removes_its_curves_when_training_starts_and_resuming_keeps_them(fit, tmp_path, capsys):
    run = fit(tmp_path / "run", epochs=1)
    (run / "hparams.yaml").write_text("of: the first run")
    (run / "notes.txt").write_text("mine")

    def events():
        return set(run.glob("events.out.tfevents*"))

    first = events()
    with pytest.raises(ValueError, match="no training episode"):
        fit(run, "--overwrite", "--data.steps=1000")
    assert events() >= first
    fit(run, f"--ckpt_path={run / 'last.ckpt'}", "--overwrite", epochs=2)
    assert events() > first
    fit(run, "--overwrite", epochs=1)
    assert len(events()) == 1
    assert not events() & first
    assert (run / "hparams.yaml").read_text() != "of: the first run"
    assert (run / "notes.txt").exists()


@pytest.mark.end_to_end
def test_overwriting_leaves_no_model_of_the_old_run(fit, tmp_path):
    run = fit(tmp_path / "run", epochs=1)
    assert (run / "best.ckpt").exists()
    fit(run, "--overwrite", "--checkpoint.every_n_epochs=5", epochs=1)  # too short a run to compare models
    assert (run / "best.ckpt").read_bytes() == (run / "last.ckpt").read_bytes()
    assert torch.load(run / "last.ckpt", weights_only=True)["epoch"] == 0


@pytest.mark.end_to_end
def test_collect_fit_evaluate_report_work_one_after_the_other(tmp_path, fit, capsys):
    root = tmp_path / "datasets"
    run(["collect", "--config=configs/door_wall/collect.yaml", "--episodes=20", f"--root={root}", "--progress=false"])
    model = fit(tmp_path / "run", f"--data.root={root}", "--data.datasets=[door-wall/expert-v0]", epochs=1)
    run(
        [
            "evaluate",
            "--config=configs/door_wall/evaluate.yaml",
            "--agent=configs/agents/gradient_mpc.yaml",
            "--agent.planner.iterations=1",
            "--agent.planner.horizon=10",
            f"--ckpt_path={model / 'best.ckpt'}",
            f"--output={tmp_path / 'evaluate' / 'base'}",
            "--tasks.count=2",
        ]
    )
    run(["report", str(tmp_path / "evaluate")])
    assert "| base   | detour" in capsys.readouterr().out


def test_tensorboard_shows_the_configuration_of_a_run(base_run):
    events = EventAccumulator(str(base_run)).Reload()
    (shown,) = events.Tensors("config/text_summary")
    text = shown.tensor_proto.string_val[0].decode()
    assert yaml.safe_load(text) == yaml.safe_load((base_run / "config.yaml").read_text().split("\n", 1)[1])


@pytest.mark.end_to_end
def test_reader_that_has_seen_enough_ends_the_command_quietly(tmp_path):
    main(
        [
            "evaluate",
            "--policy=RandomPolicy",
            "--tasks.env_id=DoorWall-v0",
            "--tasks.count=1",
            f"--output={tmp_path}/random",
        ]
    )
    command = [sys.executable, "cli.py", "report", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


def test_version_is_that_of_the_package(capsys):
    with pytest.raises(SystemExit) as exit_info:
        main(["--version"])
    assert exit_info.value.code == 0
    assert capsys.readouterr().out == f"gbplan {version('gbplan')}\n"


@pytest.mark.parametrize("typed", ["fit --trainer.max_epoch 3", "evaluate --policy RandomPolicy --output x --kind 3"])
def test_mistyped_option_is_not_taken_for_another(typed, capsys):
    with pytest.raises(SystemExit, match=r"^2$"):
        main(typed.split())
    assert capsys.readouterr().err.startswith("gbplan: error: unrecognized arguments: --")


def test_text_in_place_of_a_list_is_reported_with_the_list(capsys):
    with pytest.raises(SystemExit, match=r"^2$"):
        main(["report", "runs", "--kinds", "detour"])
    assert capsys.readouterr().err == "gbplan: error: --kinds takes a list: write '[detour]'\n"
