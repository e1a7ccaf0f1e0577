import math

import pytest
import torch

from gbplan.modules import SIGReg

ACTIONS = torch.zeros(0)


def gaussian(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("shape", [(8,), (4, 2)])
def test_samples_of_the_standard_normal_cost_almost_nothing(shape):
    assert float(SIGReg(1.0)(gaussian(4096, 2, *shape), ACTIONS, {})) < 2 / 4096


def test_a_constant_costs_what_the_integral_says():
    """Of (1 - exp(-t^2 / 2))^2 exp(-t^2 / 2) over |t| <= 3, in error functions."""
    bell = [math.sqrt(2 * math.pi / n) * math.erf(3 * math.sqrt(n / 2)) for n in (1, 2, 3)]
    expected = bell[0] - 2 * bell[1] + bell[2]
    assert float(SIGReg(1.0, knots=65)(torch.zeros(4, 2, 3), ACTIONS, {})) == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("wrong", [lambda x: 2 * x, lambda x: x + 1, lambda x: x.sign()], ids=["scale", "mean", "form"])
def test_what_is_not_standard_normal_costs_more(wrong):
    latents = gaussian(4096, 2, 4)
    assert float(SIGReg(1.0)(wrong(latents), ACTIONS, {})) > 10 * float(SIGReg(1.0)(latents, ACTIONS, {}))


def test_its_gradient_moves_an_almost_collapsed_batch_apart():
    latents = (0.01 * gaussian(64, 2, 4)).requires_grad_()
    regularizer, descent = SIGReg(), torch.optim.Adam([latents], 0.05)
    for _ in range(100):
        descent.zero_grad()
        regularizer(latents, ACTIONS, {}).backward()
        descent.step()
    torch.testing.assert_close(latents.std(0), torch.ones(2, 4), atol=0.2, rtol=0)


def test_directions_are_of_a_seed_and_a_step_and_validation_does_not_count():
    latents = gaussian(16, 2, 4)
    one, same, other = SIGReg(), SIGReg(), SIGReg(seed=1)
    first, second = one(latents, ACTIONS, {}), one(latents, ACTIONS, {})
    assert first != second
    assert first != other(latents, ACTIONS, {})
    same.eval()
    assert same(latents, ACTIONS, {}) == same(latents, ACTIONS, {})
    same.train()
    assert first == same(latents, ACTIONS, {})
    other = SIGReg()
    other.load_state_dict(same.state_dict())  # a training that goes on
    assert second == other(latents, ACTIONS, {})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"weight": -1.0}, "weight must be finite and not negative"),
        ({"directions": 0}, "directions must be at least 1, got 0"),
        ({"knots": 1}, "knots must be at least 2, got 1"),
        ({"t_max": 0.0}, "t_max must be positive and finite"),
        ({"seed": -1}, "seed must be in"),
    ],
)
def test_numbers_out_of_their_range_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        SIGReg(**arguments)
