import pytest
import torch
from planning_problems import LinearDynamics, Recording, linear_quadratic, make_problem

from gbplan.networks import IdentityEncoder, InitNetwork, WorldModel
from gbplan.objectives import GoalMSE
from gbplan.planners import CEMPlanner, InitializedPlanner, RandomShooting


def constant(actions, latent_dim=2, goal_dim=2):
    """A network that guesses these actions ``(H, A)`` for all inputs."""
    network = InitNetwork(latent_dim, goal_dim, actions.shape[1], len(actions), hidden_sizes=(4,)).double()
    with torch.no_grad():
        network.net[-1].weight.zero_()
        network.net[-1].bias.copy_(actions.flatten())
    return network.eval()


def initialized(planner, network):
    planner = InitializedPlanner(planner, "runs/init_network/best.ckpt")
    vars(planner)["network"] = network  # instead of reading the checkpoint
    return planner


def asked_first(planner, init=None, horizon=None, bound=9.0):
    record, plain = Recording(GoalMSE()), linear_quadratic()
    problem = make_problem(4, plain.model, record, (-bound, -bound), (bound, bound))
    return planner.plan(problem, init, horizon=horizon), record.asked[0], problem


GUESS = torch.tensor([[0.5, -0.5], [1.0, 2.0], [0.1, 0.2]], dtype=torch.float64)


def test_planner_starts_from_the_guess():
    plan, asked, _ = asked_first(initialized(CEMPlanner(3, 1, 5, 2), constant(GUESS)))
    torch.testing.assert_close(asked.reshape(4, 5, 3, 2)[:, 0], GUESS.expand(4, 3, 2))
    assert plan.model_calls.tolist() == [5 * 3] * 4


@pytest.mark.parametrize("horizon", [2, 3, 5])
def test_guess_is_cut_off_or_followed_by_zeros(horizon):
    _, asked, _ = asked_first(initialized(RandomShooting(3, 1), constant(GUESS)), horizon=horizon)
    expected = torch.cat([GUESS, torch.zeros(2, 2)])[:horizon]
    torch.testing.assert_close(asked, expected.expand(4, horizon, 2))


def test_guess_is_clipped_to_the_bounds():
    _, asked, _ = asked_first(initialized(RandomShooting(3, 1), constant(GUESS)), bound=0.3)
    torch.testing.assert_close(asked, GUESS.clamp(-0.3, 0.3).expand(4, 3, 2))


def test_a_task_starts_from_the_better_of_guess_and_initial_actions():
    planner = initialized(RandomShooting(3, 1), constant(GUESS))
    gap = asked_first(planner)[2]
    gap = gap.goal - gap.context[:, 0]
    init = (gap / 3)[:, None].repeat(1, 3, 1)  # right at the goal
    init[1:] = 9.0  # far off
    plan, _, problem = asked_first(planner, init)
    torch.testing.assert_close(plan.actions, torch.stack([init[0], GUESS, GUESS, GUESS]))
    torch.testing.assert_close(plan.cost, problem.cost(plan.actions[:, None])[:, 0])
    assert plan.model_calls.tolist() == [3 + 2 * 3] * 4


def test_network_sees_latents_as_the_encoder_makes_them():
    seen = []
    network = constant(GUESS)
    network.register_forward_pre_hook(lambda module, inputs: seen.append(inputs))
    model = WorldModel(IdentityEncoder(2), LinearDynamics()).double()
    one = torch.ones(2)
    model.normalizer.set(torch.tensor([1.0, -2.0]), torch.tensor([3.0, 0.5]), 0 * one, one)
    problem = make_problem(4, model=model)
    initialized(RandomShooting(3, 1), network).plan(problem)
    latent, goal = seen[0]
    torch.testing.assert_close(
        latent, problem.context[:, 0] * model.normalizer.latent_std + model.normalizer.latent_mean
    )
    torch.testing.assert_close(goal, problem.goal)


def test_horizon_is_the_planner_s():
    assert InitializedPlanner(RandomShooting(17), "x.ckpt").horizon == 17


def test_network_is_read_from_the_checkpoint(tmp_path):
    network = constant(GUESS.float()).float()
    torch.save({"state_dict": {f"network.{key}": value for key, value in network.state_dict().items()}}, tmp_path / "x")
    plan, _, _ = asked_first(InitializedPlanner(RandomShooting(3, 1), str(tmp_path / "x")))
    torch.testing.assert_close(plan.actions, GUESS.expand(4, 3, 2), rtol=0, atol=1e-6)


def test_missing_checkpoint_says_how_to_make_one():
    message = r"no checkpoint at nowhere.ckpt; train an init network with `gbplan fit` and .* of InitNetworkModule"
    with pytest.raises(FileNotFoundError, match=message):
        asked_first(InitializedPlanner(RandomShooting(3, 1), "nowhere.ckpt"))


def test_network_of_another_environment_is_refused():
    planner = initialized(RandomShooting(3, 1), constant(GUESS, latent_dim=4))
    with pytest.raises(ValueError, match=r"takes latents and goals of 4 and 2 .* the problem has 2, 2 and 2"):
        asked_first(planner)
