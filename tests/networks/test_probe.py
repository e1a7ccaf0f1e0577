import pytest
import torch

from gbplan.networks import Probe


def test_a_linear_probe_answers_in_the_environments_units():
    probe = Probe(2, 1, hidden_sizes=())
    probe.net[0].weight.data, probe.net[0].bias.data = torch.tensor([[1.0, 2.0]]), torch.tensor([0.5])
    probe.set_units(torch.tensor([10.0]), torch.tensor([4.0]))
    assert probe(torch.tensor([[1.0, 1.0]])).tolist() == [[24.0]]  # (1 + 2 + 0.5) * 4 + 10


@pytest.mark.parametrize(("latent", "shape"), [(3, (2, 5, 3)), ((4, 3), (2, 5, 4, 3))])
def test_latents_of_any_shape_and_any_leading_axes_are_read(latent, shape):
    assert Probe(latent, (2, 1))(torch.zeros(shape)).shape == (2, 5, 2, 1)


@pytest.mark.parametrize("sizes", [(0, 2), (2, 0), ((), 2)])
def test_sizes_below_one_are_named(sizes):
    with pytest.raises(ValueError, match="latent_dim, goal_dim and hidden_sizes must be at least 1"):
        Probe(*sizes)
