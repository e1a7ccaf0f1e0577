import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from gbplan.data.statistics import moments


def test_moments_are_numpys_over_the_first_axis():
    values = torch.randn(200, 3, 2, generator=torch.Generator().manual_seed(0)) * 3 + 5
    mean, std = moments(values)
    np.testing.assert_allclose(mean, values.numpy().mean(0), rtol=1e-5)
    np.testing.assert_allclose(std, values.numpy().std(0), rtol=1e-5)


@given(st.floats(-1e6, 1e6, width=32), st.integers(1, 100))
def test_an_entry_that_never_changes_has_deviation_one(value, count):
    mean, std = moments(torch.full((count, 1), value))
    assert std.tolist() == [1]
    np.testing.assert_allclose(mean, [value], rtol=1e-6)


def test_a_small_but_real_variation_is_kept():
    _, std = moments(torch.tensor([[1e-4], [-1e-4]]))
    np.testing.assert_allclose(std, [1e-4], rtol=1e-5)
