import pytest
import torch

from gbplan.modules import VICReg


def latents_of(points):
    """Windows of one step whose frames are alike."""
    return torch.tensor(points)[:, None].repeat(1, 2, 1)


def test_variance_below_one_costs_what_is_missing():
    regularizer = VICReg(1, 1, covariance_weight=0, inverse_weight=0)
    actions = torch.zeros(2, 1, 1)
    assert float(regularizer(latents_of([[-2.0], [2.0]]), actions, {})) == 0
    assert float(regularizer(latents_of([[-0.5], [0.5]]), actions, {})) == pytest.approx(0.5, abs=1e-3)
    assert float(regularizer(latents_of([[3.0], [3.0]]), actions, {})) == pytest.approx(1, abs=0.02)


def test_covariance_costs_its_square():
    regularizer = VICReg(2, 1, variance_weight=0, covariance_weight=1, inverse_weight=0)
    points = [[-1.0, -1.0], [1.0, 1.0]]  # covariance 1, twice, over 2 dimensions
    assert float(regularizer(latents_of(points), torch.zeros(2, 1, 1), {})) == pytest.approx(1)


def test_actions_must_be_predictable_from_two_frames():
    regularizer = VICReg(1, 1, variance_weight=0, covariance_weight=0, inverse_weight=1)
    told = regularizer.inverse(torch.tensor([[1.0, 1.0]])).item()
    loss = regularizer(latents_of([[1.0], [1.0]]), torch.full((2, 1, 1), told + 2), {})
    assert float(loss) == pytest.approx(4)


@pytest.mark.parametrize(("latent_dim", "action_dim", "named"), [(2, 1, "latent_dim"), (1, 3, "action_dim")])
def test_latents_or_actions_of_another_size_are_named(latent_dim, action_dim, named):
    with pytest.raises(ValueError, match=f"VICReg was made for {named} = .*, the model has 1; give it that {named}"):
        VICReg(latent_dim, action_dim)(latents_of([[1.0], [2.0]]), torch.zeros(2, 1, 1), {})


def test_a_last_batch_of_a_single_window_does_no_harm():
    assert torch.isfinite(VICReg(1, 1)(latents_of([[1.0]]), torch.zeros(1, 1, 1), {}))


def test_weights_and_sizes_are_checked():
    with pytest.raises(ValueError, match="must be at least 1, got 0"):
        VICReg(0, 1)
    with pytest.raises(ValueError, match=r"must not be negative, got 1\.0, -1 and 1\.0"):
        VICReg(1, 1, covariance_weight=-1)
