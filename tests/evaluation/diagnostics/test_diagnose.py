import math

import numpy as np
import pytest
import torch

from gbplan.data import make_vector_env
from gbplan.envs.door_wall.simulator import PerfectDoorWallModel
from gbplan.evaluation import Tasks, TaskSet, evaluate
from gbplan.planners import GradientPlanner
from gbplan.policies import Agent, ExpertPolicy


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
