import math

import numpy as np
import pytest
import tiny_world  # noqa: F401, registers TinyPixels-v0
import torch

from gbplan.data import make_vector_env
from gbplan.envs.door_wall.simulator import PerfectDoorWallModel
from gbplan.evaluation import Tasks, TaskSet, evaluate
from gbplan.networks import IdentityEncoder, MLPPredictor, Probe, WorldModel
from gbplan.planners import GradientPlanner
from gbplan.policies import Agent, ExpertPolicy
from gbplan.report import results_table


@pytest.fixture(scope="module")
def tasks():
    return TaskSet("DoorWall-v0", kind="detour", count=6, split="training", min_distance=1.0).draw()


def planning(**kwargs):
    planner = GradientPlanner(horizon=12, iterations=3, num_samples=8, restarts=1)
    return Agent(planner, **kwargs).policy(PerfectDoorWallModel())


def test_the_truth_agrees_with_itself_and_amplifies_as_it_does(tasks):
    policy = planning()
    with torch.inference_mode():  # as in Lightning's validation and test
        result = evaluate(policy, make_vector_env("DoorWall-v0", 4), tasks, diagnostic_tasks=5)  # batches 4 + 2
    alignment = result.metrics["gradient_alignment"]
    assert list(alignment) == ["tasks", "1", "5", "10"]  # horizons that the plans have
    assert alignment["tasks"] == 5
    assert alignment["1"] == {"cosine": pytest.approx(1), "excluded": 0.0}
    # Position' = position + 0.1 action, from noiseless states; a blocked axis changes nothing about the other.
    gain = pytest.approx(math.sqrt(1.01), rel=1e-5)
    for where in ("planned", "expert"):
        assert result.metrics["input_smoothness"][where]["environment"] == {"mean": gain, "p95": gain, "max": gain}


def test_every_measured_task_has_its_cosine_in_the_records(tasks):
    records = evaluate(planning(), make_vector_env("DoorWall-v0", 6), tasks, diagnostic_tasks=4).records
    for horizon in (1, 5, 10):
        cosine = records[f"cosine@{horizon}"]
        assert np.isnan(cosine[4:]).all()
        np.testing.assert_allclose(cosine[:4][~np.isnan(cosine[:4])], 1, rtol=1e-6)
    assert not np.isnan(records["cosine@1"][:4]).any()


def test_fewer_tasks_are_the_first_of_more(tasks):
    envs = make_vector_env("DoorWall-v0", 6)
    few, many = (evaluate(planning(), envs, tasks, diagnostic_tasks=n).records["cosine@10"] for n in (3, 100))
    np.testing.assert_array_equal(few[:3], many[:3])
    assert np.isnan(few[3:]).all()


def test_without_a_differentiable_form_differences_take_no_more_steps_than_the_evaluation(tasks):
    envs = make_vector_env("DoorWall-v0", 6, {"contact": "stop"})
    result = evaluate(planning(), envs, tasks, diagnostic_tasks=6)
    per_task = 10 * (1 + 2 * 10 * 2)
    steps = int(result.records["steps"].sum())
    assert result.metrics["gradient_alignment"]["tasks"] == max(1, steps // per_task) < 6
    assert result.metrics["gradient_alignment"]["1"]["cosine"] == pytest.approx(1, abs=1e-4)


def test_diagnostics_are_left_out_unless_asked_for_and_where_nothing_is_planned(tasks):
    envs = make_vector_env("DoorWall-v0", 6)
    for result in (
        evaluate(planning(), envs, tasks),
        evaluate(ExpertPolicy(), envs, tasks, world_model=PerfectDoorWallModel(), diagnostic_tasks=6),
    ):
        assert result.metrics["gradient_alignment"] is result.metrics["input_smoothness"] is None
        assert not any(name.startswith("cosine") for name in result.records)
    with pytest.raises(ValueError, match="diagnostic_tasks must not be negative, got -1"):
        evaluate(planning(), envs, tasks, diagnostic_tasks=-1)


def test_plans_of_one_step_are_enough():
    tasks = Tasks("DoorWall-v0", "hand-made", np.float32([[-1, 0]]), np.float32([[1, 0]]), np.array([1]))
    planner = GradientPlanner(horizon=1, iterations=1, num_samples=2, restarts=1)
    policy = Agent(planner, replan_every=1).policy(PerfectDoorWallModel())
    result = evaluate(policy, make_vector_env("DoorWall-v0", 1), tasks, max_steps=2, diagnostic_tasks=1)
    assert list(result.metrics["gradient_alignment"]) == ["tasks", "1"]


class Scaled(IdentityEncoder):
    """Ten times the state: a goal space that is not the environment's."""

    exact_goals = False

    def encode(self, observations):
        return 10 * observations["observation"]

    def encode_goal(self, observations):
        return 10 * observations["desired_goal"]


@pytest.mark.parametrize("probe", [False, True])
def test_model_with_history_and_blocks_in_a_world_without_distances(probe):
    tasks = TaskSet("TinyPixels-v0", count=3, split="training").draw()
    encoder = Scaled(4, range(4))
    predictor = MLPPredictor(4, 15, (8,), history=2)
    model = WorldModel(encoder, predictor, action_block=5, probe=Probe(4, 4) if probe else None)
    agent = Agent(GradientPlanner(horizon=3, iterations=1, num_samples=4, restarts=1), replan_every=1)
    envs = make_vector_env("TinyPixels-v0", 3)
    result = evaluate(agent.policy(model.eval()), envs, tasks, diagnostic_tasks=2, error_horizon=3)
    metrics, missing = result.metrics, result.metrics["missing"]
    assert metrics["planning"]["plans"] >= 3
    assert metrics["model_error"]["planned"]["latent_open_loop"] > 0
    assert (metrics["model_error"]["horizon"], metrics["model_error"]["horizon_environment_steps"]) == (3, 15)
    assert metrics["input_smoothness"]["planned"]["environment"]["max"] > 0
    assert "expert" not in metrics["input_smoothness"]  # arrives before a history of two blocks is over
    assert metrics["gradient_alignment"] is None
    if probe:
        assert metrics["landscape"]["tasks"] == 1
        assert result.landscape.loss["truth"].shape == (21, 21)
        assert result.imagined.shape == (3, 3, 4)
        assert metrics["believed_success"]["successes"] == 0
        assert missing["gradient_alignment"] == "TinyPixels-v0 has no goal_distance"
    else:
        assert [metrics["landscape"], result.landscape, result.imagined, metrics["believed_success"]] == [None] * 4
        assert metrics["model_error"]["planned"]["open_loop"] is None
        reason = "a model of Scaled without a probe does not say"
        assert {name for name, why in missing.items() if why == reason} == {
            "believed_success",
            "model_error",
            "gradient_alignment",
            "landscape",
        }
    made = {"name": "x", "method": {}, "environment": {}, "provenance": {"commit": "abc", "machine": "two cores"}}
    table = results_table([made | {"tasks": {"default": metrics}}])
    assert ("- empty: believed, error, gap, cosine, landscape of x: a model of Scaled" in table) != probe
    assert ("latent error@3 planned" in table) != probe
