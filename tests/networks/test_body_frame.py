import copy
import math

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from gbplan.networks import BodyFramePredictor, IdentityEncoder, WorldModel

STEPS = 3
MIDDLE = 256.0
SCALES = torch.tensor([100.0, 100.0, 90.0, 90.0, 0.7, 0.7, 130.0, 130.0])


def make(**changes):
    torch.manual_seed(0)
    predictor = BodyFramePredictor(**{"unit": 50.0, "steps": STEPS, "hidden_sizes": [16, 16], **changes})
    model = WorldModel(IdentityEncoder(8, range(6)), predictor, action_block=predictor.steps).double()
    moments = torch.tensor([MIDDLE] * 4 + [0.0] * 4), SCALES
    model.normalizer.set(*moments, torch.zeros(2), torch.full((2,), 0.4))
    return model


def state(point, body, angle, velocity):
    return torch.tensor([*point, *body, math.cos(angle), math.sin(angle), *velocity], dtype=torch.float64)


def after(model, start, actions):
    """The state ``(8,)`` after the actions ``(steps, 2)``."""
    latent = model.normalizer.standardize(start)
    return model.normalizer.restore(model.step(latent[None], actions.flatten()[None]))


START = state((230.0, 250.0), (262.0, 243.0), 0.7, (20.0, -50.0))
ACTIONS = torch.tensor([[0.3, -0.2], [0.1, 0.6], [-0.4, 0.1]], dtype=torch.float64)


def mirrored(start):
    x, y, u, v, cos, sin, vx, vy = start.tolist()
    return torch.tensor([2 * MIDDLE - x, y, 2 * MIDDLE - u, v, cos, -sin, -vx, vy], dtype=torch.float64)


def test_the_mirror_image_of_a_symmetric_body_moves_to_the_mirror_image():
    action = ACTIONS[:1]
    for symmetric, equal in ((True, True), (False, False)):
        model = make(symmetric=symmetric, steps=1)
        outcome = mirrored(after(model, START, action))
        reflected = after(model, mirrored(START), action * torch.tensor([-1.0, 1.0], dtype=torch.float64))
        assert torch.allclose(reflected[2:6], outcome[2:6], atol=1e-9) == equal


def test_the_order_of_the_latents_numbers_does_not_matter():
    order = [4, 5, 0, 1, 2, 3, 6, 7]  # the body first, then the point
    plain, ordered = make(), make(order=order)
    place = [order.index(i) for i in range(8)]
    plain.normalizer.latent_mean[:4] = torch.tensor([240.0, 270.0, 230.0, 280.0])
    ordered.normalizer.latent_mean.copy_(plain.normalizer.latent_mean[place])
    ordered.normalizer.latent_std.copy_(plain.normalizer.latent_std[place])
    assert torch.equal(after(ordered, START[place], ACTIONS), after(plain, START, ACTIONS)[place])


class KnownTensors(TorchDispatchMode):
    """Fails at a tensor that is neither given nor computed: a CUDA graph cannot contain its copy to the GPU."""

    def __init__(self, *given):
        super().__init__()
        self.known = list(given)

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        storages = {each.untyped_storage()._cdata for each in self.known}
        used = [each for each in tree_leaves((args, kwargs)) if isinstance(each, torch.Tensor)]
        assert all(each.untyped_storage()._cdata in storages for each in used), func
        result = func(*args, **(kwargs or {}))
        self.known += [each for each in tree_leaves(result) if isinstance(each, torch.Tensor)]
        return result


@pytest.mark.parametrize("order", [range(8), [4, 5, 0, 1, 2, 3, 6, 7]])
def test_a_step_and_its_gradient_read_only_tensors_that_lie_on_the_models_device(order):
    model = make(order=order, symmetric=True, middle=[MIDDLE, MIDDLE])
    latents = torch.zeros(2, 1, 8, dtype=torch.float64)
    actions = torch.zeros(2, 1, 2 * STEPS, dtype=torch.float64, requires_grad=True)
    with KnownTensors(latents, actions, *model.parameters(), *model.buffers()):
        torch.autograd.grad(model.step(latents, actions).sum(), actions)


def test_cosine_and_sine_may_have_another_length_in_the_latent():
    plain, scaled = make(), make(heading_length=0.5)
    size = torch.tensor([1.0, 1.0, 1.0, 1.0, 0.5, 0.5, 1.0, 1.0])
    scaled.normalizer.latent_mean.mul_(size)
    scaled.normalizer.latent_std.mul_(size)
    assert torch.allclose(after(scaled, START * size, ACTIONS), after(plain, START, ACTIONS) * size, atol=1e-12)


@pytest.mark.parametrize("order", [[0, 1, 2, 3, 4, 5, 6], [0, 1, 2, 3, 4, 5, 6, 6], [1, 2, 3, 4, 5, 6, 7, 8]])
def test_an_order_that_leaves_numbers_out_is_refused(order):
    with pytest.raises(ValueError, match=r"order must have each index of 0\.\.7 once, got"):
        make(order=order)


def test_the_mirror_image_is_exact_about_a_middle_that_is_not_that_of_the_data():
    action = ACTIONS[:1]
    for middle, equal in (([MIDDLE, MIDDLE], True), (None, False)):
        model = make(symmetric=True, steps=1, middle=middle)
        model.normalizer.latent_mean[:4] = torch.tensor([240.0, 270.0, 230.0, 280.0])
        outcome = mirrored(after(model, START, action))
        reflected = after(model, mirrored(START), action * torch.tensor([-1.0, 1.0], dtype=torch.float64))
        assert torch.allclose(reflected[2:6], outcome[2:6], atol=1e-9) == equal


def test_without_what_it_knows_of_walls_contact_is_the_same_everywhere():
    model = make()
    with torch.no_grad():
        model.predictor.body[0].weight[:, 6:10] = 0.0  # the body's place, and its angle on the table
        model.predictor.point[0].weight[:, 0] = 0.0  # the point's place
    shift = torch.tensor([40.0, -70.0], dtype=torch.float64)
    moved = START.clone()
    moved[:2] += shift
    moved[2:4] += shift
    outcome = after(model, START, ACTIONS)
    assert (outcome - START)[2:4].abs().max() > 1e-3
    expected = outcome.clone()
    expected[:2] += shift
    expected[2:4] += shift
    torch.testing.assert_close(after(model, moved, ACTIONS), expected)


def test_a_body_turned_with_all_that_touches_it_moves_the_same_way_turned():
    model = make()
    with torch.no_grad():
        model.predictor.body[0].weight[:, 6:10] = 0.0
    turn = torch.tensor([[math.cos(1.1), -math.sin(1.1)], [math.sin(1.1), math.cos(1.1)]], dtype=torch.float64)
    turned = START.clone()
    for pair in (slice(0, 2), slice(2, 4)):
        turned[pair] = turn @ (START[pair] - MIDDLE) + MIDDLE
    for pair in (slice(4, 6), slice(6, 8)):
        turned[pair] = turn @ START[pair]
    one = ACTIONS[:1]  # the point itself is moved along the axes, which are not turned, so one step is compared
    outcome = after(make_single(model), START, one)
    expected = turn @ (outcome[2:4] - MIDDLE) + MIDDLE, turn @ outcome[4:6]
    found = after(make_single(model), turned, one @ turn.T)
    torch.testing.assert_close((found[2:4], found[4:6]), expected)


def make_single(model):
    """The same perceptrons with one environment step in a model action."""
    single = make(steps=1)
    single.predictor.load_state_dict(model.predictor.state_dict())
    return single


def test_a_model_action_is_its_steps_one_after_the_other():
    model = make(symmetric=True)
    single, reached = make_single(model), START
    single.predictor.symmetric = True
    for action in ACTIONS:
        reached = after(single, reached, action)
    torch.testing.assert_close(after(model, START, ACTIONS), reached)


def test_cosine_and_sine_remain_those_of_an_angle():
    outcome = after(make(), START, ACTIONS)
    assert float(outcome[4:6].detach().norm()) == pytest.approx(1.0, abs=1e-12)
    assert not torch.allclose(outcome[4:6], START[4:6], atol=1e-4)


def test_plans_are_differentiable_in_the_actions():
    model = make(symmetric=True)
    context = 0.5 * torch.randn(2, 1, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    actions = 0.3 * torch.randn(2, 2, 2 * STEPS, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    assert torch.autograd.gradcheck(lambda a: model.rollout(context, a[:, :0], a), actions.requires_grad_())


def test_a_copy_reads_its_own_normaliser_and_no_weights_are_added():
    model = make(order=[4, 5, 0, 1, 2, 3, 6, 7])
    other = copy.deepcopy(model)
    before = after(other, START, ACTIONS)
    model.normalizer.latent_std.mul_(2.0)
    torch.testing.assert_close(after(other, START, ACTIONS), before)
    assert {name.split(".")[0] for name in model.predictor.state_dict()} == {"body", "point", "point_shift"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"unit": 0.0}, "unit must be positive"),
        ({"steps": 0}, "steps must be at least 1"),
        ({"hidden_sizes": [8, 0]}, "hidden_sizes must be at least 1"),
        ({"activation": "sine"}, "activation must be"),
        ({"symmetric": None}, "symmetric must be true or false"),
        ({"middle": [256.0]}, r"middle must be two finite numbers, x and y, or null, got \[256.0\]"),
        ({"middle": [256.0, math.nan]}, r"middle must be two finite numbers, x and y, or null, got \[256.0, nan\]"),
    ],
)
def test_a_setting_out_of_range_is_named(changes, message):
    with pytest.raises(ValueError, match=message):
        BodyFramePredictor(**{"unit": 50.0, **changes})


def test_moments_shared_by_places_and_angle_are_refused():
    with pytest.raises(ValueError, match="needs normalize='dimension', got 'channel'"):
        WorldModel(IdentityEncoder(8, range(6)), BodyFramePredictor(50.0), normalize="channel")
