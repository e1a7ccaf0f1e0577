import numpy as np
import pytest
import torch

from gbplan.data import make_vector_env
from gbplan.envs.door_wall.simulator import PerfectDoorWallModel
from gbplan.evaluation import Tasks, landscape
from gbplan.networks import IdentityEncoder, Predictor, Probe, WorldModel
from gbplan.objectives import GoalMSE, ReachGoal, Scaled

STATE, GOAL = [-1.0, 1.5], [1.0, 1.0]


def task(state=STATE, goal=GOAL):
    return Tasks("DoorWall-v0", "hand-made", np.float32([state]), np.float32([goal]), np.array([3]))


def plans(horizon=12, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, (3, horizon, 2))


class Moving(Predictor):
    """z' = z + a."""

    latent_shape = (2,)
    action_dim = 2

    def forward(self, latents, actions):
        latent, action = latents[:, -1], actions[:, -1]
        return latent + action


@pytest.mark.parametrize("objective", [GoalMSE(), ReachGoal()])
def test_the_three_plans_have_their_own_costs(objective):
    model, (reference, first, second) = PerfectDoorWallModel(), plans()
    found = landscape({"truth": model}, objective, task(), reference, first, second, points=21)
    for plan, (alpha, beta) in ((reference, (0, 0)), (first, (1, 0)), (second, (0, 1))):
        (i,), (j,) = (np.flatnonzero(np.isclose(axis, at)) for axis, at in ((found.alpha, alpha), (found.beta, beta)))
        actions = torch.from_numpy(plan[None]).float()
        predicted = model.rollout(torch.tensor([[STATE]]), actions[:, :0], actions)
        cost = objective(predicted, torch.tensor([GOAL]), actions)
        assert found.loss["truth"][j, i] == pytest.approx(cost.item(), rel=1e-5)


def test_loss_of_a_linear_model_is_its_parabola_with_the_minimum_where_it_belongs():
    # One step from 0 by (0.2 alpha, 0.4 beta): the goal (0.1, -0.2) is met at (0.5, -0.5) and nowhere else.
    model = WorldModel(IdentityEncoder(2), Moving()).double()
    nothing, first, second = np.zeros((1, 2)), np.array([[0.2, 0.0]]), np.array([[0.0, 0.4]])
    found = landscape({"linear": model}, GoalMSE(), task([0, 0], [0.1, -0.2]), nothing, first, second, points=11)
    alpha, beta = found.alpha[None, :], found.beta[:, None]
    expected = ((0.2 * alpha - 0.1) ** 2 + (0.4 * beta + 0.2) ** 2) / 2
    np.testing.assert_allclose(found.loss["linear"], expected, atol=1e-8)
    j, i = np.unravel_index(found.loss["linear"].argmin(), (11, 11))
    assert (found.alpha[i], found.beta[j]) == (pytest.approx(0.5), pytest.approx(-0.5))


@pytest.mark.parametrize("probe", [None, Probe(2, 2)], ids=["exact goals", "a probe"])
@pytest.mark.parametrize("differentiable", [True, False])
def test_the_truth_is_scaled_by_the_deviations_of_the_models_data(probe, differentiable):
    truth = PerfectDoorWallModel() if differentiable else make_vector_env("DoorWall-v0", 9)
    model = WorldModel(IdentityEncoder(2), Moving(), probe=probe)
    model.normalizer.set(torch.zeros(2), torch.tensor([2.0, 4.0]), torch.zeros(2), torch.ones(2))
    if probe is not None:
        probe.set_units(torch.zeros(2), torch.tensor([2.0, 4.0]))
    one, other = (
        landscape({"model": model}, Scaled(GoalMSE(), scale), task(), *plans(), truth=truth, points=3).loss
        for scale in ("data", [2.0, 4.0])
    )
    for name in ("model", "truth"):
        np.testing.assert_allclose(one[name], other[name], rtol=1e-6)


def test_environment_gives_the_landscape_of_its_differentiable_form():
    envs = make_vector_env("DoorWall-v0", 50)
    found = landscape({"perfect": PerfectDoorWallModel()}, ReachGoal(), task(), *plans(), truth=envs, points=11)
    assert np.ptp(found.loss["perfect"]) > 0.01
    np.testing.assert_allclose(found.loss["truth"], found.loss["perfect"], rtol=1e-4)


class MovingTwice(Predictor):
    """z' = z + 0.1 (a + b) for two actions side by side, where nothing is in the way."""

    latent_shape, action_dim = (2,), 4

    def forward(self, latents, actions):
        return latents[:, -1] + 0.1 * (actions[:, -1, :2] + actions[:, -1, 2:])


@pytest.mark.parametrize("truth", [PerfectDoorWallModel, lambda: make_vector_env("DoorWall-v0", 40)])
def test_truth_is_evaluated_at_the_ends_of_blocks(truth):
    blocks = plans().reshape(3, 6, 4) / 2
    model = WorldModel(IdentityEncoder(2), MovingTwice(), action_block=2)
    far = task(state=[-1.0, 1.0], goal=[-1.9, -1.9])
    found = landscape({"model": model}, ReachGoal(), far, *blocks, truth=truth(), points=5)
    np.testing.assert_allclose(found.loss["truth"], found.loss["model"], rtol=1e-4)


def test_actions_are_clipped_to_their_bounds():
    model = WorldModel(IdentityEncoder(2), Moving()).double()
    full, nothing = np.ones((1, 2)), np.zeros((1, 2))
    found = landscape({"m": model}, GoalMSE(), task([0, 0], [1, 1]), nothing, full, nothing, high=0.5, points=11)
    # At alpha = 0.5 the action is at its bound, half way to the goal, and stays there.
    np.testing.assert_allclose(found.loss["m"][0, found.alpha >= 0.5], 0.25)
    assert found.loss["m"][0, 0] == pytest.approx(2.0**2)  # at alpha = -1.25: the lower bound is -1


def test_model_is_left_in_its_mode():
    model = PerfectDoorWallModel().train()
    landscape({"m": model}, GoalMSE(), task(), *plans(), points=3)
    assert model.training


def test_arguments_that_do_not_fit_are_named():
    reference, first, second = plans()
    two = task().select([0, 0])
    with pytest.raises(ValueError, match="a landscape shows one task, got 2"):
        landscape({}, GoalMSE(), two, reference, first, second)
    with pytest.raises(
        ValueError, match=r"the plans must have the same shape \(H, A\), got \[\(12, 2\), \(12, 2\), \(9"
    ):
        landscape({}, GoalMSE(), task(), reference, first, second[:9])
