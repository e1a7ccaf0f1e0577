import numpy as np
import pytest

from gbplan.data import make_vector_env
from gbplan.envs.door_wall.simulator import PerfectDoorWallModel
from gbplan.evaluation import TaskSet
from gbplan.evaluation.diagnostics.landscape import Landscape
from gbplan.evaluation.diagnostics.landscape_agreement import _rank_correlation, landscape_agreement
from gbplan.objectives import GoalMSE
from gbplan.planners import GradientPlanner
from gbplan.policies import Agent

BOUNDS = (np.float32([-1, -1]), np.float32([1, 1]))


def policy(seed=0):
    planner = GradientPlanner(horizon=12, iterations=2, num_samples=8, restarts=2)
    return Agent(planner, GoalMSE(), seed=seed).policy(PerfectDoorWallModel())


@pytest.fixture
def tasks():
    return TaskSet("DoorWall-v0", kind="detour", count=3, split="validation", min_distance=1.0).draw()


def seen(tasks):
    return {"observation": tasks.states, "desired_goal": tasks.goals}


@pytest.fixture
def plans():
    return np.random.default_rng(0).uniform(-1, 1, (3, 12, 2)).astype(np.float32)


@pytest.mark.parametrize(("truth", "correlation"), [(np.exp, 1), (np.negative, -1)])
def test_only_the_order_of_plans_counts(truth, correlation):
    loss = np.random.default_rng(0).uniform(size=(5, 5))
    axis = np.linspace(-1, 1, 5)
    found = _rank_correlation(Landscape(axis, axis, {"model": loss, "truth": truth(loss)}))
    assert found == pytest.approx(correlation, abs=1e-5)


def test_true_model_agrees_with_itself_on_every_plane(tasks, plans):
    found = landscape_agreement(policy(), PerfectDoorWallModel(), tasks, seen(tasks), plans, None, BOUNDS, 2)
    assert len(found.losses) == 2
    assert found.rank_correlation == pytest.approx(1, abs=1e-6)
    for loss in found.losses:
        np.testing.assert_array_equal(loss.loss["model"], loss.loss["truth"])


def test_environment_stands_for_the_truth_of_one_task(tasks, plans):
    envs = make_vector_env("DoorWall-v0", 3)
    try:
        found = landscape_agreement(policy(), envs, tasks, seen(tasks), plans, None, BOUNDS, 3)
    finally:
        envs.close()
    assert len(found.losses) == 1
    assert found.rank_correlation == pytest.approx(1, abs=1e-3)  # float32 rounding swaps plans that are as good


def test_second_plan_is_another_and_the_same_for_the_same_seed(tasks, plans):
    losses = [
        landscape_agreement(policy(seed), PerfectDoorWallModel(), tasks, seen(tasks), plans, None, BOUNDS, 1)
        .losses[0]
        .loss["truth"]
        for seed in (0, 0, 1)
    ]
    np.testing.assert_array_equal(losses[0], losses[1])
    assert not np.array_equal(losses[0], losses[2])
