import math

import pytest
import torch

from gbplan.modules import TemporalStraightening


@pytest.mark.parametrize("angle", [0, 60, 90, 180])
def test_a_turn_costs_one_minus_its_cosine(angle):
    turn = torch.tensor([math.cos(math.radians(angle)), math.sin(math.radians(angle))])
    path = torch.stack([torch.zeros(2), torch.tensor([2.0, 0]), torch.tensor([2.0, 0]) + 0.5 * turn])
    cost = TemporalStraightening(0.5)(path[None], torch.zeros(1, 2, 1), {})
    assert float(cost) == pytest.approx(0.5 * (1 - math.cos(math.radians(angle))), abs=1e-6)


def test_tokens_move_together():
    path = torch.arange(3.0)[None, :, None, None] * torch.ones(1, 1, 4, 2)
    assert float(TemporalStraightening()(path, torch.zeros(1, 2, 1), {})) == pytest.approx(0, abs=1e-6)


def test_windows_of_a_single_step_have_no_curvature():
    with pytest.raises(ValueError, match=r"needs windows of at least 3 frames, got 2; set data.steps to at least 2"):
        TemporalStraightening()(torch.zeros(4, 2, 3), torch.zeros(4, 1, 1), {})


def test_a_latent_that_stands_still_costs_nothing_and_has_no_steep_gradient():
    path = torch.tensor([[[0.0, 0.0], [1.0, 0.0], [1.0, 0.0], [1.0, 1.0]]], requires_grad=True)
    cost = TemporalStraightening()(path, torch.zeros(1, 3, 1), {})
    assert float(cost.detach()) == pytest.approx(0, abs=1e-6)
    (gradient,) = torch.autograd.grad(cost, path)
    assert gradient.abs().max() < 1
