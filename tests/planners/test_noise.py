import pytest
import torch
from planning_problems import make_problem

from gbplan.planners import Colored, Knots, White
from gbplan.planners.noise import Blocks, draw_around


def draw(noise, count=4000, horizon=9, dim=2):
    return noise.draw(count, horizon, dim, torch.Generator().manual_seed(0))


@pytest.mark.parametrize("noise", [White(), Knots(3), Colored(2.0)], ids=repr)
def test_noise_has_zero_mean_and_unit_variance_at_the_start(noise):
    noise = draw(noise)
    assert noise.shape == (4000, 9, 2)
    assert noise.mean().abs() < 0.05
    assert noise[:, 0].var().item() == pytest.approx(1, abs=0.1)


def test_knots_are_joined_by_straight_lines():
    noise = draw(Knots(3))  # three knots over nine steps: at steps 0, 4 and 8
    torch.testing.assert_close(noise[:, 2], (noise[:, 0] + noise[:, 4]) / 2)
    torch.testing.assert_close(noise[:, 5], 0.75 * noise[:, 4] + 0.25 * noise[:, 8])


def test_knots_travel_further_than_white_noise():
    white, knots = (draw(noise, horizon=50).sum(1).norm(dim=-1).mean() for noise in (White(), Knots(5)))
    assert knots > 2 * white


@pytest.mark.parametrize("count", [1, 2, 20])
@pytest.mark.parametrize("horizon", [1, 2, 7])
def test_any_number_of_knots_fits_any_horizon(count, horizon):
    assert draw(Knots(count), 3, horizon, 1).shape == (3, horizon, 1)


@pytest.mark.parametrize("horizon", [1, 2, 9, 50])
@pytest.mark.parametrize("exponent", [0.0, 2.0, 4.0])
def test_colored_noise_has_unit_variance_at_every_step(horizon, exponent):
    noise = draw(Colored(exponent), 20_000, horizon, 1)
    assert noise.shape == (20_000, horizon, 1)
    torch.testing.assert_close(noise.var(0), torch.ones_like(noise[0]), rtol=0, atol=0.06)
    assert noise.mean(0).abs().max() < 0.04


@pytest.mark.parametrize("exponent", [0.0, 1.0, 3.0])
def test_power_of_colored_noise_falls_with_frequency_by_the_exponent(exponent):
    noise = draw(Colored(exponent), 5000, 64, 2)
    power = torch.fft.rfft(noise, dim=1).abs().square().mean((0, 2))
    frequency = torch.arange(1.0, 33.0)
    torch.testing.assert_close(power[1:] / power[1], frequency**-exponent, rtol=0.1, atol=0)
    torch.testing.assert_close(power[0], power[1], rtol=0.1, atol=0)


def test_samples_lie_around_the_mean_within_the_bounds_and_the_first_is_the_mean():
    problem = make_problem(2, low=(-1.0, -1.0), high=(1.0, 1.0))
    mean, std = torch.tensor([[[0.5, 0.0]], [[0.0, -1.0]]]), torch.tensor([1.0, 2.0])
    noise = torch.tensor([[[9.0, 9.0]], [[0.25, 0.25]], [[-3.0, 1.0]]])
    samples = draw_around(problem, mean.double(), std.double(), noise)
    assert samples[0].tolist() == [[[0.5, 0.0]], [[0.75, 0.5]], [[-1.0, 1.0]]]
    assert samples[1].tolist() == [[[0.0, -1.0]], [[0.25, -0.5]], [[-1.0, 1.0]]]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Knots(0), "count must be at least 1, got 0"),
        (lambda: Colored(-1.0), "exponent must be finite and not negative"),
        (lambda: Colored(float("inf")), "exponent must be finite and not negative"),
    ],
)
def test_bad_settings_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_noise_of_blocks_is_that_of_their_environment_steps():
    generator = lambda: torch.Generator().manual_seed(0)  # noqa: E731
    steps = Knots(3).draw(4, 15, 2, generator())
    blocks = Blocks(5, Knots(3)).draw(4, 3, 10, generator())
    assert torch.equal(blocks[:, 1], steps[:, 5:10].flatten(1))


def test_blocks_that_do_not_divide_the_actions_are_named():
    with pytest.raises(ValueError, match="Blocks of 5 environment actions do not divide model actions of 2 numbers"):
        Blocks(5).draw(1, 3, 2, torch.Generator())
