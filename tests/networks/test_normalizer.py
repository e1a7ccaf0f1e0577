import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gbplan.networks import Normalizer
from gbplan.networks.normalizer import Moments


@settings(max_examples=30, deadline=None)
@given(cuts=st.lists(st.integers(1, 59), unique=True, max_size=6), offset=st.sampled_from([0.0, 1e4]))
def test_moments_do_not_depend_on_how_the_values_come_in_parts(cuts, offset):
    values = torch.randn(60, 3, generator=torch.Generator().manual_seed(0)) + offset
    mean, std = moments_of(*values.tensor_split(sorted(cuts)))
    assert torch.equal(mean, values.double().mean(0).float())
    torch.testing.assert_close(std, values.double().std(0, correction=0).float(), rtol=1e-6, atol=0)


def moments_of(*parts):
    moments = Moments()
    for part in parts:
        moments.add(part)
    return moments.compute()


@given(st.floats(-1e6, 1e6, width=32), st.integers(1, 100))
def test_an_entry_that_never_changes_has_deviation_one(value, count):
    mean, std = moments_of(torch.full((count, 1), value))
    assert std.tolist() == [1]
    torch.testing.assert_close(mean, torch.tensor([value]), rtol=1e-6, atol=0)


def test_a_small_but_real_variation_is_kept():
    _, std = moments_of(torch.tensor([[1e-4], [-1e-4]]))
    torch.testing.assert_close(std, torch.tensor([1e-4]), rtol=1e-5, atol=0)


def test_a_part_without_values_changes_nothing():
    values = torch.randn(10, 2, generator=torch.Generator().manual_seed(0))
    assert torch.equal(torch.stack(moments_of(values[:0], values, values[:0])), torch.stack(moments_of(values)))


def test_fitted_latents_have_mean_zero_and_deviation_one_per_dimension():
    latents = 7 + 100 * torch.rand(500, 2, 3, generator=torch.Generator().manual_seed(0))
    normalizer = Normalizer((2, 3), 2)
    normalizer.fit(latents.split(64), torch.zeros(2), torch.ones(2))
    standardised = normalizer.standardize(latents)
    torch.testing.assert_close(standardised.mean(0), torch.zeros(2, 3), atol=1e-5, rtol=0)
    torch.testing.assert_close(standardised.std(0, correction=0), torch.ones(2, 3), atol=1e-5, rtol=0)
    torch.testing.assert_close(normalizer.restore(standardised), latents)


def test_per_channel_the_other_axes_share_their_moments():
    latents = torch.rand(500, 2, 3, generator=torch.Generator().manual_seed(0)) + torch.tensor([[0.0], [4.0]])
    normalizer = Normalizer((2, 3), 2, per="channel")
    normalizer.fit([latents], torch.zeros(2), torch.ones(2))
    assert normalizer.latent_mean.shape == (3,)
    standardised = normalizer.standardize(latents)
    torch.testing.assert_close(standardised.mean((0, 1)), torch.zeros(3), atol=1e-5, rtol=0)
    assert standardised[:, 0].mean() < -0.9  # a place keeps what distinguishes it


def test_moments_of_an_environment_action_hold_for_each_of_its_block():
    normalizer = Normalizer((2,), 6, action_block=3)
    normalizer.set(torch.zeros(2), torch.ones(2), torch.tensor([1.0, 2.0]), torch.tensor([2.0, 4.0]))
    assert normalizer.action_mean.tolist() == [1, 2] * 3
    assert normalizer.standardize_actions(torch.tensor([1.0, 6.0] * 3)).tolist() == [0, 1] * 3


def test_nothing_to_fit_to_is_named():
    with pytest.raises(ValueError, match="at least one latent to be fitted, got none"):
        Normalizer((2,), 2).fit([], torch.zeros(2), torch.ones(2))


def test_unknown_units_are_named():
    with pytest.raises(ValueError, match=r"normalize must be one of \['dimension', 'channel'\], got 'pixel'"):
        Normalizer((2,), 2, per="pixel")
