import pytest
import torch
from planning_problems import make_problem, random_mlp

from gbplan.networks import IdentityEncoder, MLPPredictor, WorldModel
from gbplan.objectives import GoalMSE
from gbplan.planners import (
    CEMPlanner,
    Colored,
    GradCEMPlanner,
    GradientPlanner,
    GRASPPlanner,
    ICEMPlanner,
    Knots,
    MPPIPlanner,
    Noise,
    PlanningProblem,
    RandomShooting,
    White,
)
from gbplan.planners.noise import draw_around, draw_for


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


@pytest.mark.parametrize("noise", [White(), Knots(3), Colored(2.0)], ids=repr)
def test_noise_of_a_block_is_that_of_its_environment_steps(noise):
    problem = make_problem(1, random_mlp(action_dim=10), low=(-1.0,) * 10, high=(1.0,) * 10, action_block=5)
    steps = draw(noise, 4, 15, 2)
    blocks = draw_for(problem, noise, 4, 3, torch.Generator().manual_seed(0))
    assert blocks.shape == (4, 3, 10)
    assert torch.equal(blocks[:, 1], steps[:, 5:10].flatten(1))
    assert torch.equal(
        draw_for(problem.select(torch.tensor([0])), noise, 4, 3, torch.Generator().manual_seed(0)), blocks
    )


class Asked(Noise):
    """White noise that records the requested steps and dimensions."""

    def __init__(self):
        self.steps = set()

    def draw(self, count, horizon, dim, generator):
        self.steps.add((horizon, dim))
        return White().draw(count, horizon, dim, generator)


@pytest.mark.parametrize(
    "planner",
    [
        lambda noise: CEMPlanner(3, 1, 4, 2, noise=noise),
        lambda noise: GradCEMPlanner(3, 1, 4, 2, noise=noise),
        lambda noise: GradientPlanner(3, 1, num_samples=4, restarts=1, noise=noise),
        lambda noise: GRASPPlanner(3, 1, num_samples=4, restarts=1, noise=noise),
        lambda noise: ICEMPlanner(3, 1, 4, 2, 1, noise=noise),
        lambda noise: MPPIPlanner(3, 1, 4, noise=noise),
        lambda noise: RandomShooting(3, 4, noise=noise),
    ],
)
def test_every_planner_draws_for_the_environment_steps_of_the_models_blocks(planner):
    model = WorldModel(IdentityEncoder(2), MLPPredictor(2, 10, (8,)), action_block=5).eval()
    seen = {"observation": torch.zeros(1, 1, 2), "desired_goal": torch.ones(1, 1, 2)}
    problem = PlanningProblem.from_observations(model, GoalMSE(), seen, bounds=([-1.0, -1.0], [1.0, 1.0]))
    noise = Asked()
    assert planner(noise).plan(problem).actions.shape == (1, 3, 10)
    assert noise.steps == {(15, 2)}


@pytest.mark.parametrize("block", [0, 5])
def test_a_block_that_does_not_divide_the_model_action_is_refused(block):
    with pytest.raises(ValueError, match=f"divide the 2 dimensions of a model action, got {block}"):
        RandomShooting(3, 4).plan(make_problem(action_block=block))
