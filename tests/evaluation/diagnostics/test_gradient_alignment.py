import math

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode

from gbplan.data import make_vector_env
from gbplan.envs.door_wall.simulator import PerfectDoorWallModel
from gbplan.evaluation import Tasks, gradient_alignment
from gbplan.networks import IdentityEncoder, MLPPredictor, Predictor, WorldModel

HORIZONS = (1, 3, 6)


class Turning(Predictor):
    """z' = z + R a, R a rotation."""

    latent_shape = (2,)
    action_dim = 2

    def __init__(self, angle):
        super().__init__()
        self.matrix = torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])

    def forward(self, latents, actions):
        latent, action = latents[:, -1], actions[:, -1]
        return latent + action @ self.matrix.T


def turning(angle):
    return WorldModel(IdentityEncoder(2), Turning(angle))


def tasks_at(states, goals):
    states, goals = np.array(states, np.float32), np.array(goals, np.float32)
    return Tasks("DoorWall-v0", "hand-made", states, goals, np.arange(len(states)))


def in_the_open(count=8, horizon=6, seed=0):
    """Tasks and actions, some of them at their bounds, that meet no obstacle and no goal."""
    rng = np.random.default_rng(seed)
    states = rng.uniform((-1.3, -1.3), (-0.7, 1.3), (count, 2))
    actions = np.clip(rng.normal(0, 1, (count, horizon, 2)), -1, 1).astype(np.float32)
    return tasks_at(states, rng.uniform((0.7, -1.3), (1.3, 1.3), (count, 2))), actions


def random_model():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return WorldModel(IdentityEncoder(2), MLPPredictor(2, 2, (16,), activation="tanh"))


@pytest.mark.parametrize("angle", [0.0, 0.3, math.pi / 2, 2.0])
def test_cosine_is_that_of_the_angle_by_which_the_model_turns_every_action(angle):
    found = gradient_alignment(turning(angle), turning(0.0), *in_the_open(), HORIZONS)
    for horizon in HORIZONS:
        np.testing.assert_allclose(found.cosine[horizon], math.cos(angle), atol=1e-6)
        assert not found.excluded[horizon].any()


class TurningBlocks(Predictor):
    """z' = z + R (a + b) for two actions side by side, as the second of two frames is seen."""

    latent_shape, action_dim, history = (2,), 4, 2

    def __init__(self, angle):
        super().__init__()
        self.turn = Turning(angle).matrix

    def forward(self, latents, actions):
        return latents[:, -1] + (actions[:, -1, :2] + actions[:, -1, 2:]) @ self.turn.T


def test_blocks_of_actions_are_compared_with_as_many_true_steps():
    tasks, actions = in_the_open()
    model = WorldModel(IdentityEncoder(2), TurningBlocks(0.4), action_block=2)
    found = gradient_alignment(model, turning(0.0), tasks, actions.reshape(8, 3, 4), (1, 3))
    for horizon in (1, 3):
        np.testing.assert_allclose(found.cosine[horizon], math.cos(0.4), atol=1e-6)
    # 0.1 of an action's displacement is a tenth of a step's; the direction is the same.
    differences = gradient_alignment(model, make_vector_env("DoorWall-v0", 100), tasks, actions.reshape(8, 3, 4), (3,))
    np.testing.assert_allclose(differences.cosine[3], math.cos(0.4), atol=1e-4)


def test_model_that_takes_every_action_for_its_opposite_has_cosine_minus_one():
    found = gradient_alignment(turning(math.pi), PerfectDoorWallModel(), *in_the_open(), HORIZONS)
    assert found.summary() == {str(h): {"cosine": pytest.approx(-1), "excluded": 0} for h in HORIZONS}


@pytest.mark.parametrize("dynamics", ["position", "velocity"])
def test_finite_differences_in_the_environment_agree_with_its_differentiable_form(dynamics):
    tasks, actions = in_the_open()
    if dynamics == "velocity":
        tasks = tasks_at(np.pad(tasks.states, ((0, 0), (0, 2))), tasks.goals)
    envs = make_vector_env("DoorWall-v0", 100, {"dynamics": dynamics})
    truth = PerfectDoorWallModel.of_world(envs.unwrapped.world)
    found = gradient_alignment(truth, envs, tasks, actions, HORIZONS)
    for horizon in HORIZONS:
        np.testing.assert_allclose(found.cosine[horizon], 1, atol=1e-5)


def test_any_environment_that_sets_states_serves_as_the_truth():
    tasks, actions = in_the_open(count=2, horizon=3)
    disabled = {"autoreset_mode": AutoresetMode.DISABLED}
    envs = gym.make_vec("DoorWall-v0", 5, vectorization_mode="sync", vector_kwargs=disabled)
    by_differences = gradient_alignment(random_model(), envs, tasks, actions, (1, 3))
    exact = gradient_alignment(random_model(), PerfectDoorWallModel(), tasks, actions, (1, 3))
    for horizon in (1, 3):
        assert abs(exact.cosine[horizon]).max() < 0.99
        np.testing.assert_allclose(by_differences.cosine[horizon], exact.cosine[horizon], atol=1e-4)


def test_task_without_a_true_gradient_is_excluded():
    # Pushing straight at the wall, with the goal straight behind it: no small change of any action helps.
    tasks = tasks_at([[-0.05, 1.5], [-1.0, 1.5]], [[1.0, 1.5], [1.0, 1.5]])
    actions = np.tile(np.float32([0.9, 0.0]), (2, 3, 1))
    for truth in (PerfectDoorWallModel(), make_vector_env("DoorWall-v0", 26)):
        found = gradient_alignment(random_model(), truth, tasks, actions, [1, 3])
        for horizon in (1, 3):
            assert found.excluded[horizon].tolist() == [True, False]
            assert np.isnan(found.cosine[horizon]).tolist() == [True, False]
        assert found.summary()["3"] == {"cosine": pytest.approx(found.cosine[3][1]), "excluded": 0.5}


def test_horizons_beyond_the_end_of_an_episode_are_excluded():
    tasks = tasks_at([[-1.0, 0.0]], [[-0.75, 0.0]])
    actions = np.tile(np.float32([1.0, 0.0]), (1, 4, 1))  # within 0.1 of the goal after two steps
    found = gradient_alignment(random_model(), make_vector_env("DoorWall-v0", 17), tasks, actions, [1, 2, 3, 4])
    assert [bool(excluded[0]) for excluded in found.excluded.values()] == [False, False, True, True]
    assert found.summary()["4"] == {"cosine": None, "excluded": 1.0}


def test_model_without_a_gradient_has_cosine_zero_and_one_that_diverges_has_none():
    class Deaf(Turning):
        def forward(self, latents, actions):
            latent, action = latents[:, -1], actions[:, -1]
            return latent + 0 * action

    class Diverging(Turning):
        def forward(self, latents, actions):
            latent, action = latents[:, -1], actions[:, -1]
            return latent + torch.inf * action

    for predictor, cosine in ((Deaf, 0.0), (Diverging, np.nan)):
        model = WorldModel(IdentityEncoder(2), predictor(0.0))
        found = gradient_alignment(model, PerfectDoorWallModel(), *in_the_open(), [3])
        np.testing.assert_array_equal(found.cosine[3], np.full(8, cosine))
        assert not found.excluded[3].any()


def test_model_is_left_as_it_was_and_inference_mode_does_not_hinder():
    model, truth = random_model().train(), PerfectDoorWallModel()
    with torch.inference_mode():
        inside = gradient_alignment(model, truth, *in_the_open(), HORIZONS)
    outside = gradient_alignment(model, truth, *in_the_open(), HORIZONS)
    np.testing.assert_array_equal(inside.cosine[6], outside.cosine[6])
    assert model.training
    assert all(parameter.grad is None for parameter in model.parameters())


def test_arguments_that_do_not_fit_are_named():
    tasks, actions = in_the_open()
    for horizons in ((0, 1), (7,), ()):
        with pytest.raises(ValueError, match=r"horizons must lie in 1..6"):
            gradient_alignment(random_model(), PerfectDoorWallModel(), tasks, actions, horizons)
    with pytest.raises(ValueError, match="one action sequence for each of 8 tasks, got 3"):
        gradient_alignment(random_model(), PerfectDoorWallModel(), tasks, actions[:3], HORIZONS)
