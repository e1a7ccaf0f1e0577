"""A test of Lightning's Trainer says what ``evaluate`` says, however many processes share it."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import lightning as L
import numpy as np
import pytest
import tiny_world  # noqa: F401, registers TinyPixels-v0
import torch

from gbplan.data import make_vector_env
from gbplan.evaluation import PlanningEvaluation, TaskSet, TrainerOptions, evaluate, run_evaluation
from gbplan.networks import ConvEncoder, IdentityEncoder, MLPPredictor, Probe, WorldModel
from gbplan.planners import GradientPlanner
from gbplan.policies import Agent, ExpertPolicy

TASKS = TaskSet("DoorWall-v0", {"max_episode_steps": 20}, "uniform", count=5, split="validation", min_distance=1.0)
PIXELS = TaskSet("TinyPixels-v0", count=4, split="training")


def planner(model, horizon):
    return Agent(GradientPlanner(horizon=horizon, iterations=2, num_samples=2, restarts=1)).policy(model)


def states():
    torch.manual_seed(0)
    model = WorldModel(IdentityEncoder(2, [0, 1]), MLPPredictor(2, 2, (8,), residual=True))
    model.normalizer.set(*(value.float() for value in (torch.zeros(2), torch.ones(2), torch.zeros(2), torch.ones(2))))
    return planner(model.eval(), 10)


def pictures():
    torch.manual_seed(0)
    model = WorldModel(ConvEncoder(6, 16, width=4), MLPPredictor(6, 3, (8,)), probe=Probe(6, 4))
    return planner(model.eval(), 3)


def without_seconds(metrics):
    planning = metrics["planning"] and {**metrics["planning"], "seconds_per_plan": None}
    return {**metrics, "planning": planning}


def assert_close(found, expected, path=""):
    if isinstance(expected, dict):
        assert found.keys() == expected.keys()
        for key, value in expected.items():
            assert_close(found[key], value, f"{path}/{key}")
    elif isinstance(expected, float | list):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6, err_msg=path)
    else:
        assert found == expected, path


@pytest.mark.end_to_end
@pytest.mark.parametrize(
    ("policy", "tasks", "how"),
    [
        (states, TASKS, {"thresholds": (0.25, 1.0), "diagnostic_tasks": 3}),
        (pictures, PIXELS, {"diagnostic_tasks": 2, "error_horizon": 4}),
        (ExpertPolicy, TASKS, {"max_steps": 7}),
    ],
)
def test_trainer_tests_to_the_digit_what_evaluate_measures(policy, tasks, how):
    expected = evaluate(policy(), make_vector_env(tasks.env_id, tasks.count, tasks.env_kwargs), tasks.draw(), **how)
    evaluation = PlanningEvaluation(policy(), tasks, **how)
    logged = TrainerOptions("cpu").make().test(evaluation, verbose=False)[0]
    assert without_seconds(evaluation.result.metrics) == without_seconds(expected.metrics)
    for name, column in expected.records.items():
        np.testing.assert_array_equal(evaluation.result.records[name], column)
    assert logged["test/success"] == pytest.approx(expected.metrics["success"]["rate"])
    if expected.metrics["spl"] is not None:
        assert logged["test/spl"] == pytest.approx(expected.metrics["spl"])


def test_a_trainer_tests_one_after_the_other_and_gives_the_model_back(tmp_path):
    policy = states()
    loop = L.Trainer(accelerator="cpu", logger=False, default_root_dir=tmp_path, enable_progress_bar=False)
    for tasks in (TASKS, replace(TASKS, count=3)):
        evaluation = PlanningEvaluation(policy, tasks)
        loop.test(evaluation, verbose=False)
        assert evaluation.result.metrics["count"] == tasks.count
    assert not any(parameter.is_inference() for parameter in policy.world_model.parameters())


def test_what_cannot_be_measured_is_refused(tmp_path):
    with pytest.raises(ValueError, match="thresholds must be positive and ascending"):
        TrainerOptions("cpu").make().test(PlanningEvaluation(ExpertPolicy(), TASKS, thresholds=(1.0, 0.5)))
    with pytest.raises(ValueError, match="the trainer chooses the devices, got --device meta"):
        run_evaluation(str(tmp_path), policy=ExpertPolicy(), tasks=TASKS, device="meta", trainer=TrainerOptions("cpu"))


def test_parts_that_fit_the_memory_give_the_same_result(monkeypatch):
    whole, parts = (PlanningEvaluation(pictures(), PIXELS, error_horizon=4) for _ in range(2))
    TrainerOptions("cpu").make().test(whole, verbose=False)
    monkeypatch.setattr("gbplan.evaluation.played.AT_ONCE", 3 * 24 * 16 * 16 * 3)
    TrainerOptions("cpu").make().test(parts, verbose=False)
    assert parts._envs.num_envs == 2
    found, expected = (without_seconds(each.result.metrics) for each in (parts, whole))
    for each in (found, expected):
        each["planning"] = None  # the last part was filled up
    assert_close(found, expected)


def launch(command, **environment):
    # Not the variables by which a launcher tells a process its rank.
    kept = {key: value for key, value in os.environ.items() if "RANK" not in key and key != "WORLD_SIZE"}
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=300, env=kept | {"OMP_NUM_THREADS": "1"} | environment
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("count", [7, 1])
def test_two_processes_evaluate_as_one_does(base_run, tmp_path, count):
    def evaluated(name, *options):
        output = tmp_path / name
        said = launch(
            [
                sys.executable,
                Path(sys.executable).with_name("gbplan"),  # a file, which Lightning runs once more
                "evaluate",
                f"--ckpt_path={base_run / 'last.ckpt'}",
                "--agent.planner=GradientPlanner",
                "--agent.planner.init_args={horizon: 10, iterations: 2, num_samples: 4, restarts: 1}",
                "--tasks.env_id=DoorWall-v0",
                "--kinds=[uniform,detour]",
                f"--tasks.count={count}",
                "--tasks.split=validation",
                "--tasks.min_distance=1.0",
                "--thresholds=[0.25,1.0]",
                "--diagnostic_tasks=2",
                f"--output={output}",
                *options,
            ]
        )
        assert said.count("results are in") == 1  # one process of the two speaks
        assert (output / "recipe.json").stat().st_mtime_ns >= (output / "result.json").stat().st_mtime_ns
        return json.loads((output / "result.json").read_text()), output

    one, folder = evaluated("one")
    two, other = evaluated("two", "--trainer.accelerator=cpu", "--trainer.devices=2", "--trainer.strategy=ddp")
    for kind in ("uniform", "detour"):
        metrics = [without_seconds(result["tasks"][kind]) for result in (one, two)]
        for each in metrics:
            each["planning"].pop("tasks_at_once")
        assert_close(metrics[1], metrics[0])
        assert metrics[0]["success"] == metrics[1]["success"]
    assert {path.name for path in folder.iterdir() if "events" not in path.name} == {
        path.name for path in other.iterdir() if "events" not in path.name
    }
