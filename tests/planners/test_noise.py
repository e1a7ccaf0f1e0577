import pytest
import torch

from gbplan.planners.noise import draw_colored, draw_proposals


def draw(kind, count=4000, horizon=9, dim=2, num_knots=3, seed=0):
    return draw_proposals(kind, count, horizon, dim, num_knots, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("kind", ["white", "knots"])
def test_noise_has_zero_mean_and_unit_variance_at_the_start(kind):
    noise = draw(kind)
    assert noise.shape == (4000, 9, 2)
    assert noise.mean().abs() < 0.05
    assert noise[:, 0].var().item() == pytest.approx(1, abs=0.1)


def test_knots_are_joined_by_straight_lines():
    noise = draw("knots")  # three knots over nine steps: at steps 0, 4 and 8
    torch.testing.assert_close(noise[:, 2], (noise[:, 0] + noise[:, 4]) / 2)
    torch.testing.assert_close(noise[:, 5], 0.75 * noise[:, 4] + 0.25 * noise[:, 8])


def test_knots_travel_further_than_white_noise():
    white, knots = (draw(kind, horizon=50, num_knots=5).sum(1).norm(dim=-1).mean() for kind in ("white", "knots"))
    assert knots > 2 * white


@pytest.mark.parametrize("num_knots", [1, 2, 20])
@pytest.mark.parametrize("horizon", [1, 2, 7])
def test_any_number_of_knots_fits_any_horizon(num_knots, horizon):
    assert draw("knots", 3, horizon, 1, num_knots).shape == (3, horizon, 1)


@pytest.mark.parametrize("horizon", [1, 2, 9, 50])
@pytest.mark.parametrize("exponent", [0.0, 2.0, 4.0])
def test_colored_noise_has_unit_variance_at_every_step(horizon, exponent):
    noise = draw_colored(20_000, horizon, 1, exponent, torch.Generator().manual_seed(0))
    assert noise.shape == (20_000, horizon, 1)
    torch.testing.assert_close(noise.var(0), torch.ones_like(noise[0]), rtol=0, atol=0.06)
    assert noise.mean(0).abs().max() < 0.04


@pytest.mark.parametrize("exponent", [0.0, 1.0, 3.0])
def test_power_of_colored_noise_falls_with_frequency_by_the_exponent(exponent):
    noise = draw_colored(5000, 64, 2, exponent, torch.Generator().manual_seed(0))
    power = torch.fft.rfft(noise, dim=1).abs().square().mean((0, 2))
    frequency = torch.arange(1.0, 33.0)
    torch.testing.assert_close(power[1:] / power[1], frequency**-exponent, rtol=0.1, atol=0)
    torch.testing.assert_close(power[0], power[1], rtol=0.1, atol=0)
