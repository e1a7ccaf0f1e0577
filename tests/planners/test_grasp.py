import math

import pytest
import torch
from planning_problems import LinearDynamics, linear_quadratic, make_problem

from gbplan.networks import IdentityEncoder, Predictor, WorldModel
from gbplan.objectives import GoalMSE
from gbplan.planners import GRASPPlanner


class Watched(LinearDynamics):
    """Remembers the latents and actions of each call, ``(rows, 2)`` each."""

    def __init__(self):
        super().__init__()
        self.calls = []

    def forward(self, latents, actions):
        latent, action = latents[:, -1], actions[:, -1]
        self.calls.append((latent.detach().clone(), action.detach().clone()))
        return super().forward(latents, actions)


def watched_problem(batch=1, bound=2.0):
    dynamics = Watched()
    model = WorldModel(IdentityEncoder(2), dynamics).double()
    problem = make_problem(batch, model=model, objective=GoalMSE(), low=(-bound, -bound), high=(bound, bound))
    return dynamics, problem


def still(horizon, iterations, **arguments):
    """One start, no noise, no descent on the rollout: the lifted part alone."""
    settings = {"sync_steps": 0, "sync_every": iterations, "num_samples": 1, "restarts": 1, "state_noise": 0.0}
    return GRASPPlanner(horizon, iterations, **(settings | arguments))


def test_finds_the_closed_form_optimum_of_a_linear_quadratic_problem():
    problem = linear_quadratic()
    planner = GRASPPlanner(4, 20, sync_every=10, sync_steps=250, sync_lr=0.01, num_samples=4, restarts=2, init_std=0.2)
    plan = planner.plan(problem)
    gap = problem.goal - problem.context[:, 0]
    torch.testing.assert_close(plan.cost, gap.square().sum(1) / 5, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(plan.actions, (gap / 5)[:, None].expand(-1, 4, -1), rtol=0, atol=1e-4)


@pytest.mark.parametrize("goal_weight", [0.02, 1.0])
def test_lifted_descent_alone_reaches_the_goal(goal_weight):
    _, problem = watched_problem(batch=4)
    before = (problem.goal - problem.context[:, 0]).square().mean(1)
    plan = still(5, 200, lr=0.01, goal_weight=goal_weight).plan(problem, torch.zeros(4, 5, 2))
    assert (plan.cost < 0.02 * before).all()


def test_without_a_goal_weight_only_the_last_action_looks_at_the_goal():
    dynamics, problem = watched_problem()
    still(3, 1, lr=0.1, goal_weight=0.0).plan(problem, torch.zeros(1, 3, 2))
    moved = torch.cat([action for _, action in dynamics.calls[-3:]])  # of the rollout that scores them
    sign = (problem.goal - problem.context[:, 0]).sign()
    expected = torch.cat([torch.zeros(2, 2), 0.1 * 2.0 * sign])  # Adam's first step is lr half ranges
    torch.testing.assert_close(moved, expected.double(), rtol=0, atol=1e-6)


def test_states_follow_the_predictions_for_them():
    dynamics, problem = watched_problem()
    still(3, 3, lr=0.1, goal_weight=1.0, state_lr=0.25).plan(problem, torch.zeros(1, 3, 2))
    first, second, third = dynamics.calls[-6:-3]  # all three steps in each; then comes the rollout
    present = problem.context[:, 0]
    for states, _ in (first, second, third):
        torch.testing.assert_close(states[:1], present)
    # at first the states lie on the rollout of the initial actions, so nothing pulls at them
    torch.testing.assert_close(first[0], present.expand(3, 2))
    torch.testing.assert_close(second[0], first[0])
    predicted = second[0] + second[1]
    torch.testing.assert_close(third[0][1:], second[0][1:] + 0.25 * (predicted[:2] - second[0][1:]))


def test_actions_follow_adam_on_the_lifted_sum():
    dynamics, problem = watched_problem()
    still(3, 3, lr=0.1, goal_weight=0.3).plan(problem, torch.zeros(1, 3, 2))
    x = torch.zeros(3, 2, dtype=torch.float64, requires_grad=True)
    adam = torch.optim.Adam([x], lr=0.1)
    for states, actions in dynamics.calls[-6:-3]:
        torch.testing.assert_close(actions, 2.0 * x.detach())  # the half range is 2
        predicted = states + 2.0 * x
        off = (predicted[:-1] - states[1:]).square().sum() + (predicted[-1] - problem.goal[0]).square().sum()
        lifted = off + 0.3 * (predicted - problem.goal).square().sum()
        (x.grad,) = torch.autograd.grad(lifted, x)
        adam.step()
    moved = torch.cat([action for _, action in dynamics.calls[-3:]])
    torch.testing.assert_close(moved, 2.0 * x.detach())


def test_an_iteration_is_a_single_call_of_the_model_whatever_the_horizon():
    dynamics, problem = watched_problem(batch=2)
    planner = GRASPPlanner(6, iterations=5, sync_every=2, sync_steps=2, num_samples=8, restarts=3)
    plan = planner.plan(problem)
    syncs = 3  # after iterations 2, 4 and 5
    assert len(dynamics.calls) == 6 + 6 + 5 + syncs * 3 * 6
    forward = 8 * 6 + 3 * 6 + 5 * 3 * 6 + syncs * 3 * 3 * 6
    backward = 5 * 3 * 6 + syncs * 2 * 3 * 6
    assert sum(len(states) for states, _ in dynamics.calls) == 2 * forward
    assert plan.model_calls.tolist() == [forward + backward] * 2


def test_sync_puts_the_states_back_on_the_rollout():
    dynamics, problem = watched_problem()
    GRASPPlanner(4, 2, sync_every=1, num_samples=1, restarts=1, state_noise=0.5).plan(problem, torch.zeros(1, 4, 2))
    per_sync = 3 * 4  # two descent steps and a last look
    states, _ = dynamics.calls[-per_sync - 1]
    rollout = torch.cat([latent for latent, _ in dynamics.calls[-per_sync - 1 - 4 : -per_sync - 1]])
    torch.testing.assert_close(states, rollout)


def test_states_are_jittered_by_the_noise_asked_for():
    dynamics, problem = watched_problem()
    planner = still(2000, 2, lr=1e-12, goal_weight=0.0, state_noise=0.3, state_lr=0.0)
    planner.plan(problem, torch.zeros(1, 2000, 2))
    states, _ = dynamics.calls[-2001]
    off = states[1:] - problem.context[:, 0]
    assert off.std().item() == pytest.approx(0.3, rel=0.05)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"iterations": 0}, "iterations must be at least 1, got 0"),
        ({"sync_every": 0}, "sync_every must be at least 1, got 0"),
        ({"sync_steps": -1}, "sync_steps must be finite and not negative, got -1"),
        ({"restarts": 257}, "restarts must not exceed num_samples, got 257 > 256"),
        ({"lr": 0.0}, "lr must be positive and finite"),
        ({"sync_lr": math.nan}, "sync_lr must be positive and finite"),
        ({"state_lr": 1.5}, r"state_lr must lie in 0..1, got 1.5"),
        ({"state_noise": -0.1}, "state_noise must be finite and not negative"),
        ({"goal_weight": math.inf}, "goal_weight must be finite and not negative"),
    ],
)
def test_bad_settings_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        GRASPPlanner(**arguments)


class TwoFrames(Predictor):
    """z' = z_2 + 0.3 (z_2 - z_1) + a_2 - 0.5 a_1: the last two frames and actions count."""

    latent_shape, action_dim, history = (2,), 2, 2

    def __init__(self):
        super().__init__()
        self.calls = []

    def forward(self, latents, actions):
        self.calls.append((latents.detach().clone(), actions.detach().clone()))
        return latents[:, 1] + 0.3 * (latents[:, 1] - latents[:, 0]) + actions[:, 1] - 0.5 * actions[:, 0]


def test_with_a_history_actions_follow_adam_on_the_lifted_sum_of_windows():
    dynamics = TwoFrames()
    model = WorldModel(IdentityEncoder(2), dynamics).double()
    problem = make_problem(1, model=model, objective=GoalMSE(), low=(-2.0, -2.0), high=(2.0, 2.0))
    still(3, 3, lr=0.1, goal_weight=0.3, state_lr=0.25).plan(problem, torch.zeros(1, 3, 2))
    x = torch.zeros(3, 2, dtype=torch.float64, requires_grad=True)
    adam = torch.optim.Adam([x], lr=0.1)
    lifted = dynamics.calls[-6:-3]  # all three steps in each; then comes the rollout that scores
    for k, (frames, actions) in enumerate(lifted):
        taken = torch.cat([problem.past_actions[0], 2.0 * x])  # the half range is 2
        windows = torch.stack([taken[:-1], taken[1:]], dim=1)
        torch.testing.assert_close(actions, windows.detach())
        # The past frame and the present stay; each window begins with the state that ends the one before it.
        torch.testing.assert_close(frames[0], problem.context[0])
        torch.testing.assert_close(frames[1:, 0], frames[:-1, 1])
        predicted = frames[:, 1] + 0.3 * (frames[:, 1] - frames[:, 0]) + windows[:, 1] - 0.5 * windows[:, 0]
        states = frames[:, 1]
        off = (predicted[:-1] - states[1:]).square().sum() + (predicted[-1] - problem.goal[0]).square().sum()
        (x.grad,) = torch.autograd.grad(off + 0.3 * (predicted - problem.goal).square().sum(), x)
        adam.step()
        if k + 1 < len(lifted):
            following = lifted[k + 1][0][1:, 1]
            torch.testing.assert_close(following, states[1:] + 0.25 * (predicted.detach()[:-1] - states[1:]))
    scored = torch.cat([actions[:, 1] for _, actions in dynamics.calls[-3:]])
    torch.testing.assert_close(scored, 2.0 * x.detach())
