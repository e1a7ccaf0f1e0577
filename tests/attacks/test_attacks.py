"""Promises of every attack."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from gbplan.attacks import FGSM, PGD, Attack, NoAttack, RandomNoise

ATTACKS = [FGSM(), FGSM(step_size=3.0), PGD(steps=1), PGD(steps=3), RandomNoise("uniform"), RandomNoise("corners")]
ATTACKS.append(NoAttack())


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def random(*shape, seed=1):
    return torch.randn(*shape, generator=generator(seed), dtype=torch.float64)


def bumpy(x):
    return (3 * x).sin().sum() + x.square().sum()


def test_every_attack_is_under_contract():
    ours = {attack for attack in Attack.__subclasses__() if attack.__module__.startswith("gbplan.")}
    assert ours == {type(attack) for attack in ATTACKS}


@pytest.fixture(params=ATTACKS, ids=lambda attack: type(attack).__name__)
def attack(request):
    return request.param


@settings(max_examples=25, deadline=None)
@given(
    shape=st.lists(st.integers(1, 4), min_size=1, max_size=3),
    size=st.floats(0, 1e3, width=32),
    radius=st.floats(0, 1e3, width=32),
    dtype=st.sampled_from([torch.float32, torch.float64]),
    seed=st.integers(0, 9),
)
def test_result_lies_in_the_box_for_any_shape_and_radius(shape, size, radius, dtype, seed):
    x = (size * random(*shape)).to(dtype)
    radii = torch.tensor(radius, dtype=dtype) * torch.linspace(0, 1, shape[-1], dtype=dtype)
    for attack in ATTACKS:
        point = attack.perturb(bumpy, x, radii, generator=generator(seed))
        assert point.shape == x.shape
        assert point.dtype == dtype
        assert ((x - radii <= point) & (point <= x + radii)).all()


def test_radius_zero_gives_the_point_back_exactly(attack):
    x = torch.randn(50, 3, generator=generator())
    assert torch.equal(attack.perturb(bumpy, x, torch.tensor(0.0), generator=generator()), x)
    radius = torch.tensor([0.0, 0.5, 0.0])
    assert torch.equal(attack.perturb(bumpy, x, radius, generator=generator())[:, ::2], x[:, ::2])


def test_loss_is_not_lower_than_before_on_a_quadratic(attack):
    x, center, radius = random(200, 4), random(200, 4, seed=2), torch.tensor(0.1)

    def quadratic(p):
        return (p - center).square().sum()

    assert quadratic(attack.perturb(quadratic, x, radius, generator=generator())) >= quadratic(x)


def test_same_generator_state_gives_the_same_result(attack):
    x, radius = random(5, 3), torch.tensor(0.3)
    one, two = (attack.perturb(bumpy, x, radius, generator=generator(4)) for _ in range(2))
    assert torch.equal(one, two)
    other = attack.perturb(bumpy, x, radius, generator=generator(5))
    assert torch.equal(one, other) == isinstance(attack, NoAttack)


@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode])
def test_works_where_gradients_are_off_and_leaves_none_behind(attack, context):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 1))
    expected = attack.perturb(lambda p: net(p).sum(), torch.ones(4, 3), torch.tensor(0.1), generator=generator())
    before = [parameter.clone() for parameter in net.parameters()]
    with context():
        x, radius = torch.ones(4, 3), torch.full((3,), 0.1)
        point = attack.perturb(lambda p: net(p).sum(), x, radius, generator=generator())
        assert torch.equal(point, expected)
        assert not point.requires_grad
        assert torch.equal(x, torch.ones(4, 3))
    assert x.grad is None
    assert all(parameter.grad is None for parameter in net.parameters())
    assert all(torch.equal(one, two) for one, two in zip(before, net.parameters(), strict=True))


def test_point_of_a_graph_is_not_changed_and_gets_no_gradient(attack):
    x = random(3, 2).requires_grad_()
    point = attack.perturb(bumpy, x, torch.tensor(0.1), generator=generator())
    assert not point.requires_grad
    assert x.grad is None


@pytest.mark.parametrize(
    ("radius", "message"),
    [
        (torch.tensor(-0.1), "radius must be finite and not negative, got values from -0.1"),
        (torch.tensor([0.1, torch.nan]), "radius must be finite and not negative"),
        (torch.tensor(torch.inf), "radius must be finite and not negative"),
        (torch.ones(3), r"radius must broadcast to the shape of x, \(4, 2\), got \(3,\)"),
        (torch.ones(5, 4, 2), r"radius must broadcast to the shape of x, \(4, 2\), got \(5, 4, 2\)"),
    ],
)
def test_bad_radius_is_named(attack, radius, message):
    with pytest.raises(ValueError, match=message):
        attack.perturb(bumpy, torch.zeros(4, 2), radius, generator=generator())


def test_attack_on_integers_is_refused(attack):
    with pytest.raises(TypeError, match=r"floating-point numbers, got torch.int64: integers, such as discrete actions"):
        attack.perturb(bumpy, torch.zeros(4, 2, dtype=torch.int64), torch.tensor(0.1), generator=generator())
