import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from gbplan.data import make_vector_env, run_episodes
from gbplan.evaluation import TaskSet, run_evaluation
from gbplan.evaluation.environment_model import simulate
from gbplan.evaluation.evaluate import evaluate
from gbplan.objectives import GoalMSE, ReachGoal
from gbplan.planners import CEMPlanner, GradientPlanner, PlanningProblem
from gbplan.policies import Agent, RandomPolicy
from gbplan.report.result_files import read_result

STOP = {"contact": "stop"}
TASKS = TaskSet("DoorWall-v0", env_kwargs=STOP, kind="uniform", count=4, split="validation")


@pytest.fixture(scope="module")
def episodes():
    tasks = TASKS.draw()
    envs = make_vector_env("DoorWall-v0", 4, {**STOP, "continuing_task": True})
    given = {"seeds": tasks.seeds.tolist(), "states": tasks.states, "goals": tasks.goals}
    return run_episodes(envs, RandomPolicy(), **given, max_steps=12)


def problem_of(model, episodes, objective):
    first = {key: values[episodes.starts][:, None] for key, values in episodes.observations.items()}
    return PlanningProblem.from_observations(model, objective, first, bounds=([-1.0, -1.0], [1.0, 1.0]))


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_rollout_is_what_the_environment_does(episodes, workers):
    model = simulate("DoorWall-v0", STOP, workers)
    actions = torch.from_numpy(episodes.actions.reshape(4, 1, 13, 2)[:, :, :12].astype(np.float32))
    achieved = problem_of(model, episodes, GoalMSE()).rollout(actions)
    executed = episodes.observations["achieved_goal"].reshape(4, 13, 2)[:, 1:]
    assert_allclose(achieved[:, 0].numpy(), executed, rtol=0, atol=1e-5)  # the state is set in float32 at each step


def test_a_sampling_planner_solves_tasks_and_believes_what_comes_true():
    tasks = TASKS.draw()
    planner = CEMPlanner(horizon=40, iterations=2, num_samples=32, num_elites=4)
    model = simulate("DoorWall-v0", STOP).eval()
    policy = Agent(planner, ReachGoal(), replan_every=None).policy(model)
    result = evaluate(policy, make_vector_env("DoorWall-v0", 4, STOP), tasks, error_horizon=5)
    assert result.metrics["model_error"]["planned"]["one_step"] < 1e-6
    assert result.metrics["believed_success"] == result.metrics["success"]


def test_evaluate_plans_on_an_environment_that_has_no_simulator(tmp_path):
    planner = CEMPlanner(horizon=20, iterations=2, num_samples=16, num_elites=4)
    run_evaluation(
        str(tmp_path / "perfect"), simulator=True, agent=Agent(planner), tasks=TASKS, error_horizon=5, num_threads=1
    )
    metrics = read_result(tmp_path / "perfect" / "result.json")["tasks"]["uniform"]
    assert metrics["model_error"]["planned"]["one_step"] < 1e-6
    assert metrics["gradient_alignment"] is None


def test_a_planner_that_descends_is_refused_for_lack_of_a_gradient(episodes):
    problem = problem_of(simulate("DoorWall-v0", STOP), episodes, GoalMSE())
    with pytest.raises(ValueError, match="an environment has no gradients to plan with; plan through it with a"):
        GradientPlanner(horizon=2, iterations=1, num_samples=2, restarts=1).plan(problem)
