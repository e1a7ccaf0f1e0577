"""Promises of every policy, checked for all of them."""

import numpy as np
import pytest
from point_world import PointWorldWithExpert, draw_tasks, play, point_model

from gbplan import policies
from gbplan.envs import Policy
from gbplan.planners import CEMPlanner, GradientPlanner
from gbplan.policies import (
    Agent,
    ConstantPolicy,
    ExpertPolicy,
    MixedPolicy,
    RandomPolicy,
    StraightLinePolicy,
)

STEPS, N = 7, 5


def planner_policy(planner, **kwargs):
    return Agent(planner, **kwargs).policy(point_model().double())


POLICIES = {
    "constant": lambda: ConstantPolicy([0.3, -0.5]),
    "expert": lambda: ExpertPolicy(),
    "mixed": lambda: MixedPolicy([RandomPolicy(), StraightLinePolicy(), ConstantPolicy([0.0, 0.1])], [2, 1, 1]),
    "random": lambda: RandomPolicy(),
    "straight line": lambda: StraightLinePolicy(step_size=0.5),
    "gradient MPC": lambda: planner_policy(GradientPlanner(4, 5, num_samples=8), replan_every=2),
    "gradient open loop": lambda: planner_policy(
        GradientPlanner(4, 5, num_samples=8, action_noise=0.1), replan_every=None
    ),
    "CEM, shrinking": lambda: planner_policy(CEMPlanner(6, 3, 10, 3), replan_every=3, shrink_horizon=True),
}


def test_every_policy_is_under_contract():
    ours = {getattr(policies, name) for name in policies.__all__}
    assert {type(make()) for make in POLICIES.values()} == {c for c in ours if issubclass(c, Policy)}


@pytest.fixture(params=POLICIES.values(), ids=POLICIES.keys())
def policy(request):
    return request.param()


def test_actions_are_single_precision_and_within_the_bounds(policy):
    envs = PointWorldWithExpert(N)
    actions, _ = play(policy, envs, *draw_tasks(N), STEPS)
    assert actions.dtype == np.float32
    assert actions.shape == (STEPS, N, 2)
    assert all(envs.single_action_space.contains(action) for action in actions.reshape(-1, 2))


def test_the_same_episodes_give_the_same_actions(policy):
    envs, tasks = PointWorldWithExpert(N), draw_tasks(N)
    np.testing.assert_array_equal(play(policy, envs, *tasks, STEPS)[0], play(policy, envs, *tasks, STEPS)[0])


def test_a_row_does_not_depend_on_its_neighbours(policy):
    position, goal = draw_tasks(N)
    together, _ = play(policy, PointWorldWithExpert(N), position, goal, STEPS)
    for row in (0, 3):
        alone, _ = play(policy, PointWorldWithExpert(1), position[[row]], goal[[row]], STEPS, seeds=[row])
        np.testing.assert_allclose(alone[:, 0], together[:, row], atol=1e-6)


def test_a_row_does_not_depend_on_which_others_are_active(policy):
    envs, tasks = PointWorldWithExpert(N), draw_tasks(N)
    active = np.ones((STEPS, N), dtype=bool)
    active[1:, [0, 4]] = False
    active[3:, 2] = False
    all_active, _ = play(policy, envs, *tasks, STEPS)
    some_active, _ = play(policy, envs, *tasks, STEPS, active=active)
    np.testing.assert_allclose(some_active[:, [1, 3]], all_active[:, [1, 3]], atol=1e-6)
