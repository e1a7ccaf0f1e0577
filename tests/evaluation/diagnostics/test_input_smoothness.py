import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gbplan.envs.door_wall.simulator import PerfectDoorWallModel
from gbplan.evaluation import input_smoothness
from gbplan.networks import IdentityEncoder, MLPPredictor, WorldModel


def model_of(weights, hidden=(), activation="relu"):
    """A perceptron without residual and biases with the given weight matrices."""
    latent_dim = weights[-1].shape[0]
    model = WorldModel(
        IdentityEncoder(latent_dim, [0]),
        MLPPredictor(latent_dim, weights[0].shape[1] - latent_dim, hidden, activation, residual=False),
    ).double()
    with torch.no_grad():
        for parameter, value in zip(model.predictor.parameters(), _with_zero_biases(weights), strict=True):
            parameter.copy_(torch.as_tensor(value))
    return model


def _with_zero_biases(weights):
    for weight in weights:
        yield from (weight, np.zeros(len(weight)))


@given(seed=st.integers(0, 2**32 - 1), latent_dim=st.integers(1, 4), action_dim=st.integers(1, 3))
def test_gain_of_a_linear_model_is_the_norm_of_its_matrix_in_either_units(seed, latent_dim, action_dim):
    rng = np.random.default_rng(seed)
    matrix = rng.normal(size=(latent_dim, latent_dim + action_dim))
    latent_std, action_std = rng.uniform(0.1, 10, latent_dim), rng.uniform(0.1, 10, action_dim)
    model = model_of([matrix])
    model.normalizer.set(*map(torch.from_numpy, (latent_std, latent_std, action_std, action_std)))
    found = input_smoothness(model, torch.zeros(2, 1, latent_dim).double(), torch.ones(2, 1, action_dim).double())
    np.testing.assert_allclose(found.standardised, np.linalg.norm(matrix, 2))
    in_units = latent_std[:, None] * matrix / np.concatenate([latent_std, action_std])
    np.testing.assert_allclose(found.environment, np.linalg.norm(in_units, 2))


def test_gain_is_local_and_summed_up_by_mean_percentile_and_maximum():
    model = model_of([np.array([[2.0, 0.0]]), np.array([[1.0]])], hidden=(1,))  # z' = relu(2 z)
    latents = torch.tensor([-1.0] * 15 + [1.0] * 5).double()[:, None, None]
    found = input_smoothness(model, latents, torch.zeros(20, 1, 1).double())
    np.testing.assert_allclose(found.standardised, [0.0] * 15 + [2.0] * 5)
    assert found.summary()["standardised"] == {"mean": 0.5, "p95": 2.0, "max": 2.0}


def test_gain_in_the_open_and_beside_a_wall_is_that_of_the_true_dynamics():
    # In the open position' = position + 0.1 action: singular values sqrt(1 + 0.01). A blocked axis has none.
    states, actions = torch.tensor([[1.0, 1.0], [-0.05, 1.0]]), torch.tensor([[0.5, 0.5], [0.9, 0.5]])
    found = input_smoothness(PerfectDoorWallModel(), states[:, None], actions[:, None])
    np.testing.assert_allclose(found.environment, np.sqrt(1.01), rtol=1e-6)


def test_no_direction_is_amplified_by_more_and_one_is_by_as_much():
    rng = np.random.default_rng(0)
    model = model_of([rng.normal(size=(8, 4)), rng.normal(size=(2, 8))], hidden=(8,), activation="tanh")
    point = torch.from_numpy(rng.normal(size=4))
    (gain,) = input_smoothness(model, point[None, None, :2], point[None, None, 2:]).standardised
    around = torch.linspace(0, torch.pi, 9).double()
    grid = torch.stack(torch.meshgrid(around, around, 2 * around, indexing="ij"), -1).reshape(-1, 3)
    (sin_a, sin_b, sin_c), (cos_a, cos_b, cos_c) = grid.sin().T, grid.cos().T
    unit = torch.stack([cos_a, sin_a * cos_b, sin_a * sin_b * cos_c, sin_a * sin_b * sin_c], -1)
    apart = [model.step(*(point + 1e-6 * sign * unit)[:, None].split(2, dim=2)) for sign in (1, -1)]
    amplified = ((apart[0] - apart[1]) / 2e-6).norm(dim=1)
    assert amplified.max() <= gain * (1 + 1e-6)
    assert amplified.max() > 0.9 * gain


def test_points_in_chunks_give_the_same_as_all_at_once_and_the_model_is_left_as_it_was():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = WorldModel(IdentityEncoder(3), MLPPredictor(3, 2, (8,))).train()
        latents, actions = torch.randn(10, 3)[:, None], torch.randn(10, 2)[:, None]
    with torch.inference_mode():
        whole = input_smoothness(model, latents, actions)
    parts = input_smoothness(model, latents, actions, chunk_rows=4)
    np.testing.assert_allclose(parts.environment, whole.environment, rtol=1e-6)
    assert model.training
    assert all(parameter.grad is None for parameter in model.parameters())


def test_point_that_diverged_has_no_gain_and_shows_in_the_summary():
    model = model_of([np.array([[2.0, 0.0]])])
    model.predictor.forward = lambda latent, action: latent.square() + 0 * action
    found = input_smoothness(model, torch.tensor([[[1.0]], [[torch.inf]]]).double(), torch.zeros(2, 1, 1).double())
    np.testing.assert_allclose(found.standardised, [2.0, np.nan])
    assert np.isnan(found.summary()["standardised"]["max"])


@pytest.mark.parametrize(("latents", "actions"), [(0, 0), (3, 2)])
def test_points_without_an_action_each_are_refused(latents, actions):
    with pytest.raises(ValueError, match=rf"one action for each latent, got \({actions}, 1\) for \({latents}, 1\)"):
        input_smoothness(PerfectDoorWallModel(), torch.zeros(latents, 1, 2), torch.zeros(actions, 1, 2))
