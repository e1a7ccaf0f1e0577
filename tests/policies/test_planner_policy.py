import gymnasium as gym
import numpy as np
import pytest
import torch
from point_world import PointWorld, draw_tasks, observe, play, point_model

from gbplan.networks import IdentityEncoder, MLPPredictor, Predictor, WorldModel
from gbplan.objectives import Objective
from gbplan.planners import CEMPlanner, GradientPlanner, Plan, Planner, RandomShooting
from gbplan.policies import Agent


class Recorder(Planner):
    """Plans 0.1, 0.2, 0.3, ... plus the number of earlier calls, and remembers how it was called."""

    def __init__(self, horizon=6):
        super().__init__(horizon)
        self.calls = []

    def _plan(self, problem, init, horizon, generator):
        self.calls.append({"problem": problem, "init": init, "horizon": horizon, "seed": generator.initial_seed()})
        ramp = 0.1 * torch.arange(1, horizon + 1) + len(self.calls) - 1
        actions = ramp[None, :, None].expand(problem.batch_size, -1, problem.action_dim)
        cost = torch.zeros(problem.batch_size)
        return Plan(actions.to(problem.low), cost, cost[None], torch.full((problem.batch_size,), 7))


def recorded(planner, steps, active=None, n=3, objective=None, **kwargs):
    policy = Agent(planner, objective, **kwargs).policy(point_model())
    actions, _ = play(policy, PointWorld(n, (-9.0, -9.0), (9.0, 9.0)), *draw_tasks(n), steps, active=active)
    return policy, actions


@pytest.mark.parametrize("planner", [GradientPlanner(12, 30, num_samples=32), CEMPlanner(12, 10, 60, 10)])
def test_reaches_every_goal_of_a_linear_world(planner):
    policy = Agent(planner, replan_every=3).policy(point_model())
    position, goal = draw_tasks(8)
    _, reached = play(policy, PointWorld(8), position, goal, 18)
    assert np.linalg.norm(reached - goal, axis=1).max() < 0.1


def test_replans_every_few_steps_and_executes_the_plan_in_between():
    planner = Recorder()
    _, actions = recorded(planner, 8, replan_every=3)
    assert len(planner.calls) == 3
    np.testing.assert_allclose(actions[:, 0, 0], [0.1, 0.2, 0.3, 1.1, 1.2, 1.3, 2.1, 2.2], rtol=1e-6)


def test_a_plan_shorter_than_the_interval_is_executed_whole_before_the_next():
    planner = Recorder(horizon=4)
    _, actions = recorded(planner, 6, replan_every=100)
    np.testing.assert_allclose(actions[:, 0, 0], [0.1, 0.2, 0.3, 0.4, 1.1, 1.2], rtol=1e-6)


def test_open_loop_plans_once_and_then_stands_still():
    planner = Recorder(horizon=4)
    _, actions = recorded(planner, 12, replan_every=None)
    assert len(planner.calls) == 1
    np.testing.assert_allclose(actions[:, 0, 0], [0.1, 0.2, 0.3, 0.4] + 8 * [0.0], rtol=1e-6)


def test_standing_still_is_the_action_nearest_to_zero():
    policy = Agent(Recorder(horizon=1), replan_every=1).policy(point_model())
    actions, _ = play(policy, PointWorld(2, (0.2, -3.0), (1.0, -2.0)), *draw_tasks(2), 1, active=np.zeros((1, 2), bool))
    np.testing.assert_allclose(actions[0], [[0.2, -2.0]] * 2, rtol=1e-6)


def test_warm_start_is_the_rest_of_the_previous_plan_followed_by_zeros():
    planner = Recorder(horizon=4)
    recorded(planner, 4, replan_every=3)
    assert planner.calls[0]["init"] is None
    torch.testing.assert_close(planner.calls[1]["init"][0, :, 0], torch.tensor([0.4, 0.0, 0.0, 0.0]))


def test_warm_start_stays_within_bounds_without_zero():
    planner = Recorder(horizon=4)
    policy = Agent(planner, replan_every=3).policy(point_model())
    play(policy, PointWorld(2, (0.2, -3.0), (1.0, -2.0)), *draw_tasks(2), 4)
    expected = torch.tensor([[0.4, -2.0]] + 3 * [[0.2, -2.0]])
    torch.testing.assert_close(planner.calls[1]["init"][0], expected)


def test_a_cold_start_passes_no_initial_actions():
    planner = Recorder()
    recorded(planner, 7, replan_every=3, warm_start=False)
    assert all(call["init"] is None for call in planner.calls)


def test_a_shrinking_horizon_counts_down_to_the_replanning_interval_and_keeps_its_warm_start():
    planner = Recorder(horizon=6)
    _, actions = recorded(planner, 9, replan_every=2, shrink_horizon=True)
    assert [call["horizon"] for call in planner.calls] == [6, 4, 2, 2, 2]
    torch.testing.assert_close(planner.calls[1]["init"][0, :, 0], torch.tensor([0.3, 0.4, 0.5, 0.6]))
    torch.testing.assert_close(planner.calls[3]["init"][0, :, 0], torch.zeros(2))
    np.testing.assert_allclose(actions[-1, 0, 0], 4.1, rtol=1e-6)


def test_only_active_rows_are_planned_for():
    planner = Recorder()
    active = np.ones((7, 3), dtype=bool)
    active[2:, 1] = False
    active[5:] = False
    policy, actions = recorded(planner, 7, active=active, replan_every=3)
    assert [call["problem"].batch_size for call in planner.calls] == [3, 2]
    assert (actions[2:, 1] == 0).all()
    assert policy.effort.plans == 5


def test_noise_is_keyed_by_seed_and_replan_and_survives_a_reset():
    first, again, other = Recorder(), Recorder(), Recorder()
    recorded(first, 7, replan_every=3)
    recorded(again, 7, replan_every=3, n=2)
    recorded(other, 7, replan_every=3, seed=1)
    seeds = [[call["seed"] for call in planner.calls] for planner in (first, again, other)]
    assert seeds[0] == seeds[1]
    assert len(set(seeds[0] + seeds[2])) == 6


class StepCounter(Objective):
    def __init__(self, step=0):
        self.step = step

    def at_step(self, step):
        return StepCounter(step)

    def __call__(self, predicted, goal, actions):
        return predicted.sum((1, 2))


def test_the_objective_receives_the_step():
    planner = Recorder()
    recorded(planner, 7, replan_every=3, objective=StepCounter())
    assert [call["problem"].objective.step for call in planner.calls] == [0, 3, 6]


def test_first_plan_and_effort_are_kept_for_evaluation():
    policy, actions = recorded(Recorder(), 7, replan_every=3)
    assert policy.effort.plans == 9
    assert policy.effort.model_calls == 63
    assert policy.effort.seconds > 0
    plan = policy.first_plan
    assert plan.rows.tolist() == [0, 1, 2]
    np.testing.assert_array_equal(plan.actions[:, :3], actions[:3].swapaxes(0, 1))
    start, _ = draw_tasks(3)
    np.testing.assert_allclose(plan.predicted, start[:, None] + 0.5 * plan.actions.cumsum(1), rtol=1e-5)
    policy.reset(PointWorld(3), range(3))
    assert policy.first_plan is None
    assert policy.effort.plans == 0


def test_the_model_plans_in_eval_mode_and_gets_its_modes_back():
    model = point_model().train()
    model.encoder.eval()  # frozen, as an encoder may be
    seen = []

    class Spy(Recorder):
        def _plan(self, problem, init, horizon, generator):
            seen.append(problem.model.training)
            return super()._plan(problem, init, horizon, generator)

    play(Agent(Spy()).policy(model), PointWorld(2), *draw_tasks(2), 1)
    assert seen == [False]
    assert model.training
    assert not model.encoder.training


def test_bfloat16_plans_through_a_copy_whose_belief_is_recorded(monkeypatch):
    model, copied, planned = point_model(), point_model(), []
    copied.encoder.register_buffer("other", torch.zeros(1))
    monkeypatch.setattr("gbplan.networks.bfloat16.in_bfloat16", {model: copied}.get)
    monkeypatch.setattr(copied, "rollout", lambda context, past, actions: 7 + 0 * model.rollout(context, past, actions))

    class Spy(Recorder):
        def _plan(self, problem, init, horizon, generator):
            planned.append(problem.model)
            return super()._plan(problem, init, horizon, generator)

    policy = Agent(Spy(), precision="bfloat16").policy(model)
    play(policy, PointWorld(2), *draw_tasks(2), 1)
    assert planned == [copied]
    expected = copied.achieved_goal(torch.full((1, 2), 7.0)).numpy()
    np.testing.assert_allclose(
        policy.first_plan.predicted, np.broadcast_to(expected, policy.first_plan.predicted.shape)
    )
    with pytest.raises(ValueError, match=r"precision must be one of \['float32', 'bfloat16'\], got 'half'"):
        Agent(Spy(), precision="half")


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_acts_alike_inside_trainer_test_and_validate(mode):
    model = point_model()

    def act():
        policy = Agent(GradientPlanner(4, 5), replan_every=2).policy(model)
        return play(policy, PointWorld(2), *draw_tasks(2), 4)[0]

    expected = act()
    with mode():
        np.testing.assert_array_equal(act(), expected)


@pytest.mark.parametrize("entry", ["observation", "desired_goal"])
def test_a_start_or_goal_that_is_not_finite_names_its_row(entry):
    policy = Agent(Recorder()).policy(point_model())
    policy.reset(PointWorld(4), range(4))
    observation = observe(*draw_tasks(4))
    observation[entry] = observation[entry].copy()
    observation[entry][[1, 2], 0] = np.nan
    with pytest.raises(
        ValueError, match=rf"{entry} must be finite, got NaN or infinity in 1 of \d+ rows, first in row 2 at step \d+"
    ):
        policy.act(observation, np.array([True, False, True, True]))


def mlp_model(dim, action_dim=2):
    return WorldModel(IdentityEncoder(dim), MLPPredictor(dim, action_dim, (4,)))


def with_nan():
    model = mlp_model(2)
    torch.nn.init.constant_(model.predictor.net[0].bias, torch.nan)
    return model


BAD_PAIRS = {
    "discrete": (
        point_model,
        {"action_space": gym.spaces.Discrete(3)},
        TypeError,
        "continuous action vector .* Discrete",
    ),
    "unbounded": (point_model, {"high": (np.inf, 1.0)}, ValueError, "actions must be bounded"),
    "action size": (point_model, {"low": (-1.0,), "high": (1.0,)}, ValueError, r"actions have shape \(1,\)"),
    "state size": (lambda: mlp_model(4), {}, ValueError, r"'observation' has shape \(2,\).* latents have \(4,\)"),
    "goal size": (
        lambda: mlp_model(4),
        {"size": 4, "goal_size": 3},
        ValueError,
        r"goals have shape \(3,\).* goal_indices of",
    ),
    "weights": (with_nan, {}, ValueError, "predictor.net.0.bias holds NaN"),
}


@pytest.mark.parametrize(("model", "world", "error", "message"), BAD_PAIRS.values(), ids=BAD_PAIRS.keys())
def test_a_model_that_does_not_fit_the_environment_is_refused_at_reset(model, world, error, message):
    with pytest.raises(error, match=message):
        Agent(Recorder()).policy(model()).reset(PointWorld(2, **world), range(2))


def test_observations_without_a_goal_are_refused():
    envs = PointWorld(2)
    envs.single_observation_space = envs.single_observation_space["observation"]
    with pytest.raises(
        TypeError, match="reads 'observation' and 'desired_goal', the environment's observations are Box"
    ):
        Agent(Recorder()).policy(point_model()).reset(envs, range(2))


class Remembering(Predictor):
    """Looks at three frames, and acts in blocks of two actions."""

    latent_shape, action_dim, history = (2,), 4, 3

    def forward(self, latents, actions):
        return latents[:, -1] + 0.5 * (actions[:, -1, :2] + actions[:, -1, 2:])


def test_a_model_of_three_frames_gets_those_at_the_ends_of_blocks_and_the_blocks_between_them():
    planner = Recorder(horizon=2)
    policy = Agent(planner, replan_every=1).policy(WorldModel(IdentityEncoder(2), Remembering(), action_block=2))
    position, goal = draw_tasks(1)
    actions, _ = play(policy, PointWorld(1, (-9.0, -9.0), (9.0, 9.0)), position, goal, 7)
    # Of each plan the first block is executed, action by action: 0.1 + the number of plans before, four times.
    np.testing.assert_allclose(actions[:, 0, 0], [0.1, 0.1, 1.1, 1.1, 2.1, 2.1, 3.1], rtol=1e-6)
    assert len(planner.calls) == 4
    path = position[0, 0] + 0.5 * np.cumsum([0, *actions[:, 0, 0]])
    for call, frames in enumerate(([0, 0, 0], [0, 0, 2], [0, 2, 4], [2, 4, 6])):
        problem = planner.calls[call]["problem"]
        np.testing.assert_allclose(problem.context[0, :, 0], path[frames], rtol=1e-5)
        done = [0.0] * (2 - min(call, 2)) + [0.1 + k for k in range(max(0, call - 2), call)]
        np.testing.assert_allclose(problem.past_actions[0], np.repeat(np.array(done)[:, None], 4, axis=1), rtol=1e-5)


def test_warm_start_of_blocks_is_the_rest_of_the_plan_in_blocks():
    planner = Recorder(horizon=3)
    policy = Agent(planner, replan_every=1).policy(WorldModel(IdentityEncoder(2), Remembering(), action_block=2))
    play(policy, PointWorld(1, (-9.0, -9.0), (9.0, 9.0)), *draw_tasks(1), 3)
    torch.testing.assert_close(planner.calls[1]["init"][0], torch.tensor([[0.2] * 4, [0.3] * 4, [0.0] * 4]))


def test_an_open_loop_of_blocks_stands_still_after_its_last_block():
    policy = Agent(Recorder(horizon=2), replan_every=None).policy(
        WorldModel(IdentityEncoder(2), Remembering(), action_block=2)
    )
    actions, _ = play(policy, PointWorld(1, (-9.0, -9.0), (9.0, 9.0)), *draw_tasks(1), 6)
    np.testing.assert_allclose(actions[:, 0, 0], [0.1, 0.1, 0.2, 0.2, 0.0, 0.0], rtol=1e-6)


def test_bounds_hold_for_each_environment_action_of_a_block():
    policy = Agent(RandomShooting(2, 5)).policy(WorldModel(IdentityEncoder(2), Remembering(), action_block=2))
    actions, _ = play(policy, PointWorld(3, (-0.1, 0.2), (0.0, 0.3)), *draw_tasks(3), 4)
    assert (np.float32([-0.1, 0.2]) <= actions).all()
    assert (actions <= np.float32([0.0, 0.3])).all()
