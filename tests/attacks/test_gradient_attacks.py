"""Known answers of FGSM and PGD."""

import pytest
import torch

from gbplan.attacks import FGSM, PGD, NoAttack


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def start(x, radius, seed=0):
    """Where the attacks begin, recomputed."""
    return x + radius * (2 * torch.rand(x.shape, generator=generator(seed)) - 1)


SLOPE = torch.tensor([2.0, -1.0, 0.0])
RADIUS = torch.tensor([0.1, 0.2, 0.3])


def linear(x):
    return (x * SLOPE).sum()


def test_fgsm_on_a_linear_loss_is_the_clipped_step_from_the_start():
    x = torch.zeros(1000, 3)
    point = FGSM().perturb(linear, x, RADIUS, generator=generator())
    expected = (start(x, RADIUS) + 1.25 * RADIUS * SLOPE.sign()).clamp(-RADIUS, RADIUS)
    torch.testing.assert_close(point, expected)
    assert torch.equal(point[:, 2], start(x, RADIUS)[:, 2])  # no slope, no step


def test_fgsm_ends_on_the_face_in_five_of_eight_cases_and_beyond_a_quarter_of_the_radius_always():
    point = FGSM().perturb(torch.sum, torch.zeros(100_000), torch.tensor(2.0), generator=generator())
    assert (point == 2.0).float().mean() == pytest.approx(0.625, abs=0.01)
    assert point.min() >= 0.5


def test_a_step_of_two_radii_reaches_the_corner_from_anywhere():
    x = torch.tensor([[0.5, -1.0, 3.0]])
    point = FGSM(step_size=2.0).perturb(linear, x, RADIUS, generator=generator())
    torch.testing.assert_close(point[:, :2], torch.tensor([[0.6, -1.2]]))


def test_pgd_on_a_quadratic_ends_in_the_corner_away_from_the_minimum():
    # two steps of 1.25 radii cross the whole box, and the minimum lies outside it: the corner is the maximum
    x, center = torch.zeros(1, 4), torch.tensor([[1.0, -1.0, 2.0, -0.5]])
    point = PGD(steps=2).perturb(lambda p: (p - center).square().sum(), x, torch.tensor(0.25), generator=generator())
    assert torch.equal(point, torch.tensor([[-0.25, 0.25, -0.25, 0.25]]))


def test_fgsm_flees_a_minimum_inside_the_box_to_the_side_it_started_on():
    x, radius = torch.zeros(1000), torch.tensor(1.0)
    point = FGSM().perturb(lambda p: p.square().sum(), x, radius, generator=generator())
    assert torch.equal(point, start(x, radius).sign())


def test_pgd_of_one_step_is_fgsm():
    x, radius = torch.linspace(-1, 1, 50), torch.tensor(0.3)
    one, two = (
        attack.perturb(lambda p: (5 * p).sin().sum(), x, radius, generator=generator()) for attack in (FGSM(), PGD(1))
    )
    assert torch.equal(one, two)


def test_short_steps_stop_at_the_maximum_inside_the_box():
    # uphill of -p^2 is zero: K steps of s radii end within s radii of it
    point = PGD(steps=50, step_size=0.05).perturb(
        lambda p: -p.square().sum(), torch.full((100,), 0.5), torch.tensor(1.0), generator=generator()
    )
    assert point.abs().max() <= 0.05


def test_rows_whose_losses_are_averaged_do_not_influence_each_other():
    weight = torch.arange(1.0, 4.0)
    x, radius = torch.zeros(3, 2), torch.tensor(0.1)
    together = PGD(2).perturb(lambda p: (weight[:, None] * p).mean(), x, radius, generator=generator())
    summed = PGD(2).perturb(lambda p: (weight[:, None] * p).sum(1), x, radius, generator=generator())
    assert torch.equal(together, summed)


@pytest.mark.parametrize("attack", [FGSM(), PGD()], ids=["FGSM", "PGD"])
def test_loss_without_a_gradient_is_named(attack):
    with pytest.raises(ValueError, match="the loss must depend on the attacked point differentiably"):
        attack.perturb(lambda p: p.detach().sum(), torch.zeros(2), torch.tensor(0.1), generator=generator())


def test_nan_gradient_keeps_the_point_inside_the_box():
    x = torch.tensor([-1.0, 4.0])
    point = FGSM().perturb(lambda p: p.sqrt().sum(), x, torch.tensor(0.5), generator=generator())
    assert ((point - x).abs() <= 0.5).all()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: FGSM(step_size=0.0), "step_size must be positive and finite, got 0.0"),
        (lambda: FGSM(step_size=float("nan")), "step_size must be positive and finite, got nan"),
        (lambda: PGD(step_size=-1.0), "step_size must be positive and finite, got -1.0"),
        (lambda: PGD(steps=0), "steps must be at least 1, got 0"),
    ],
)
def test_bad_numbers_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_no_attack_never_asks_for_the_loss():
    def loss(x):
        raise AssertionError("asked")

    x = torch.ones(2, 3)
    assert torch.equal(NoAttack().perturb(loss, x, torch.tensor(1.0), generator=generator()), x)
