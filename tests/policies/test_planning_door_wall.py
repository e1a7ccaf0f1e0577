"""Planning on the true dynamics: the upper bound of a learned model."""

import gymnasium as gym
import numpy as np
import pytest

from gbplan.envs.door_wall.simulator import PerfectDoorWallModel
from gbplan.planners import GradientPlanner, GRASPPlanner
from gbplan.policies import Agent, StraightLinePolicy


def success(policy, count):
    """Share of detour tasks whose goal is hit within 100 steps; the seeds are of the training range."""
    envs = gym.make_vec("DoorWall-v0", count, task="detour", continuing_task=True)
    policy.reset(envs, range(count))
    observation, _ = envs.reset(seed=list(range(1000, 1000 + count)))
    solved = np.zeros(count, dtype=bool)
    for _ in range(100):
        observation, _, _, _, info = envs.step(policy.act(observation, ~solved))
        solved |= info["is_success"]
        if solved.all():
            break
    return solved.mean()


def test_straight_lines_do_not_solve_detours():
    assert success(StraightLinePolicy(), 200) < 0.15


@pytest.mark.slow
@pytest.mark.parametrize("planner", [GradientPlanner(), GRASPPlanner()], ids=lambda planner: type(planner).__name__)
def test_gradient_mpc_solves_detours_by_its_defaults(planner):
    assert success(Agent(planner).policy(PerfectDoorWallModel()), 100) >= 0.98


@pytest.mark.slow
def test_gradient_descent_open_loop_solves_most_detours_and_more_than_its_candidates_alone():
    refined, candidates = GradientPlanner(), GradientPlanner(num_samples=580, restarts=1, iterations=1, lr=1e-9)
    rates = [
        success(Agent(planner, replan_every=None).policy(PerfectDoorWallModel()), 100)
        for planner in (refined, candidates)  # at the same number of model calls
    ]
    assert rates[0] >= 0.85
    assert rates[0] - rates[1] >= 0.1
