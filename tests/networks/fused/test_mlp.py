"""The fused rollout is the plain one, only faster: plain autograd, step by step, is the reference throughout."""

import copy
import gc
import math
import sys
import weakref

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import nn

from gbplan.networks import IdentityEncoder, MLPPredictor, WorldModel
from gbplan.networks.fused import mlp
from gbplan.networks.fused.constant_parameters import constant_parameters, prepared
from gbplan.objectives import ReachGoal
from gbplan.planners import CEMPlanner, GradientPlanner, PlanningProblem

ACTIVATIONS = ["relu", "silu", "gelu", "tanh"]
DEPTHS = [(), (7,), (6, 5), (4, 6, 5)]
TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-10}


def make_model(hidden=(7, 5), latent=3, action=2, dtype=torch.float64, **kwargs):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = WorldModel(IdentityEncoder(latent, [0]), MLPPredictor(latent, action, hidden, **kwargs))
        model.normalizer.set(*(torch.rand(n) + 0.5 for n in (latent, latent, action, action)))
    return model.to(dtype)


def draw(model, batch, horizon, seed=0):
    generator = torch.Generator().manual_seed(seed)
    dtype = model.normalizer.action_std.dtype
    context = torch.randn(batch, 1, *model.latent_shape, generator=generator, dtype=torch.float64)
    actions = torch.randn(batch, horizon, model.action_dim, generator=generator, dtype=torch.float64)
    return context.to(dtype), actions.to(dtype)


def plain(model, context, actions):
    """The rollout of a model that is not known, step by step."""
    frames = [context[:, -1:]]
    for action in model.normalizer.standardize_actions(actions).split(1, dim=1):
        frames.append(model.predictor(frames[-1], action)[:, None])
    return torch.cat(frames[1:], dim=1)


def fused(model, context, actions):
    with constant_parameters():
        return model.rollout(context, actions[:, :0], actions)


def is_fused(predicted):
    return "MLPRollout" in type(predicted.grad_fn).__name__


def with_gradients(rollout, model, context, actions):
    """Latents, and the gradients of a cost that uses all of them unequally."""
    context, actions = context.detach().requires_grad_(), actions.detach().requires_grad_()
    predicted = rollout(model, context, actions)
    weight = torch.linspace(-1, 1, predicted.numel(), dtype=predicted.dtype).view(predicted.shape)
    return predicted.detach(), *torch.autograd.grad((weight * predicted.sin()).sum(), (context, actions))


def both_ways():
    """Torch's matrix products, then the compiled kernel, whatever the number of rows."""
    for rows in (0, math.inf):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(mlp, "_most_compiled_rows", lambda *_, rows=rows: rows)
            yield


def assert_close(found, expected, largest=0.0):
    """Within the dtype's tolerance of the largest entry, or of a larger number that it was computed from."""
    tolerance = TOLERANCE[expected.dtype] * max(1.0, largest, expected.abs().max().item())
    torch.testing.assert_close(found, expected, rtol=0, atol=tolerance)


def assert_same(model, context, actions):
    assert is_fused(fused(model, context.detach().requires_grad_(), actions))
    expected = with_gradients(plain, model, context, actions)
    largest = expected[0].abs().max().item()  # gradients are rounded as the latents that they are of
    for _ in both_ways():
        for found, want in zip(with_gradients(fused, model, context, actions), expected, strict=True):
            assert_close(found, want, largest)
        with torch.no_grad():
            assert_close(model.rollout(context, actions[:, :0], actions), expected[0])


@pytest.mark.parametrize("residual", [True, False])
@pytest.mark.parametrize("hidden", DEPTHS, ids=str)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_gradients_pass_gradcheck(activation, hidden, residual):
    model = make_model(hidden, activation=activation, residual=residual)
    context, actions = (x.requires_grad_() for x in draw(model, 1, 3))
    for _ in both_ways():
        assert torch.autograd.gradcheck(lambda c, a: fused(model, c, a), (context, actions))


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("residual", [True, False])
@pytest.mark.parametrize("hidden", DEPTHS, ids=str)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_latents_and_gradients_equal_plain_autograd(activation, hidden, residual, dtype):
    model = make_model(hidden, activation=activation, residual=residual, dtype=dtype)
    assert_same(model, *draw(model, 5, 6))


@settings(max_examples=30, deadline=None)
@example(batch=9, horizon=9, latent=1, action=1, hidden=[2, 2], activation="gelu", residual=True, dtype=torch.float32)
@given(
    batch=st.integers(1, 70),
    horizon=st.integers(1, 9),
    latent=st.integers(1, 5),
    action=st.integers(1, 4),
    hidden=st.lists(st.integers(1, 40), max_size=3),  # narrow layers are done in loops, wide ones by BLAS
    activation=st.sampled_from(ACTIVATIONS),
    residual=st.booleans(),
    dtype=st.sampled_from(list(TOLERANCE)),
)
def test_any_shape_equals_plain_autograd(batch, horizon, latent, action, hidden, activation, residual, dtype):
    if activation == "relu":
        dtype = torch.float64  # in float32 rounding may well carry one of many units over the kink
    model = make_model(hidden, latent, action, dtype, activation=activation, residual=residual)
    assert_same(model, *draw(model, batch, horizon))


@pytest.mark.parametrize(("batch", "activation"), [(1, "relu"), (3, "tanh"), (100, "silu")])
def test_a_realistic_model_equals_plain_autograd_over_fifty_steps(batch, activation):
    model = make_model((128, 128), 2, dtype=torch.float32, activation=activation)
    assert_same(model, *draw(model, batch, 50))


def test_many_rows_of_a_wide_layer_are_the_same_in_pieces():
    model = make_model((512,), 2, dtype=torch.float32, activation="silu")
    context, actions = draw(model, 1100, 2)  # more than two pieces of 512
    with torch.no_grad():
        assert_close(model.rollout(context, actions[:, :0], actions), plain(model, context, actions))


def test_inputs_may_be_expanded_transposed_or_strided():
    model = make_model()
    context, actions = draw(model, 4, 6)
    assert_same(model, context[:1].expand(4, -1, -1), actions[:1].expand(4, -1, -1))
    assert_same(model, context, actions.transpose(0, 1).contiguous().transpose(0, 1))
    assert_same(model, context[::2], actions[::2, ::3])
    assert_same(model, context.expand(-1, 3, -1), actions[:, :, :1].expand(-1, -1, 2))


def test_the_callers_tensors_are_left_alone():
    model = make_model()
    context, actions = draw(model, 4, 6)
    context.requires_grad_()
    before = context.detach().clone(), actions.clone()
    gradient = torch.ones(6, 4, 3, dtype=torch.float64).transpose(0, 1)  # time-major, like the buffers inside
    for _ in both_ways():
        predicted = fused(model, context, actions)
        (first,) = torch.autograd.grad(predicted, context, gradient, retain_graph=True)
        with torch.no_grad():
            predicted.zero_()  # what a caller does to the result does not reach the backward pass
        (second,) = torch.autograd.grad(predicted, context, gradient)
        assert torch.equal(first, second)
    assert (gradient == 1).all()
    assert torch.equal(context, before[0])
    assert torch.equal(actions, before[1])


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_a_rollout_that_overflows_is_not_finite_and_spares_its_neighbours(activation):
    model = make_model(activation=activation, dtype=torch.float32)
    context, actions = draw(model, 3, 4)
    context[1] = torch.nan
    actions[2, 2] = torch.inf
    for _ in both_ways():
        found = fused(model, context, actions)
        assert torch.equal(found.isfinite(), plain(model, context, actions).isfinite())
        assert found[0].isfinite().all()
        assert found[1].isnan().all()


def test_without_numba_matrix_products_serve_with_one_warning(monkeypatch):
    monkeypatch.setitem(sys.modules, "gbplan.networks.fused.kernel", None)  # importing it fails
    mlp._kernel.cache_clear()
    model = make_model()
    context, actions = draw(model, 2, 3)
    try:
        with pytest.warns(UserWarning, match="numba is not available") as caught:
            found = [fused(model, context, actions) for _ in range(3)]
        assert len(caught) == 1
        assert is_fused(fused(model, context, actions.clone().requires_grad_()))
    finally:
        mlp._kernel.cache_clear()
    torch.testing.assert_close(found[0], plain(model, context, actions))


def test_training_rollouts_take_autograds_way_and_give_parameter_gradients():
    model = make_model()
    context, actions = draw(model, 5, 6)
    predicted = model.rollout(context, actions[:, :0], actions)
    assert not is_fused(predicted)
    parameters = list(model.parameters())
    found = torch.autograd.grad(predicted.square().sum(), parameters)
    expected = torch.autograd.grad(plain(model, context, actions).square().sum(), parameters)
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))
    assert all(gradient.abs().sum() > 0 for gradient in found)


def test_a_frozen_model_is_fused_by_default():
    model = make_model().requires_grad_(False)
    context, actions = draw(model, 5, 6)
    assert is_fused(model.rollout(context, actions[:, :0], actions.requires_grad_()))


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(
    "planner",
    [GradientPlanner(4, 3, num_samples=8, restarts=2), CEMPlanner(4, 3, 8, 2)],
    ids=lambda p: type(p).__name__,
)
def test_planning_leaves_no_gradient_on_parameters_and_keeps_them_trainable(planner, training):
    model = make_model().train(training)
    context, _ = draw(model, 3, 1)
    one = torch.ones(2, dtype=torch.float64)
    goal = torch.zeros(3, 1, dtype=torch.float64)
    problem = PlanningProblem(model, ReachGoal(), context, context.new_zeros(3, 0, 2), goal, -one, one)
    with torch.inference_mode():
        inside = planner.plan(problem)
    outside = planner.plan(problem)
    assert torch.equal(inside.actions, outside.actions)
    assert all(p.grad is None and p.requires_grad for p in model.parameters())
    assert model.training == training
    actions = inside.actions.clone().unsqueeze(1).requires_grad_()
    assert problem.cost(actions).requires_grad
    model.rollout(context, actions[:, 0, :0], actions[:, 0]).sum().backward()
    assert all(p.grad is not None for p in model.parameters())


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
@pytest.mark.parametrize("batch", [1, 200])
def test_without_gradients_the_latents_are_the_same(mode, batch):
    model = make_model(activation="silu")
    context, actions = draw(model, batch, 6)
    expected = plain(model, context, actions).detach()
    with mode():
        found = model.rollout(context, actions[:, :0], actions.requires_grad_())
    assert not found.requires_grad
    torch.testing.assert_close(found, expected)


def test_nothing_is_remembered_between_calls():
    model = make_model()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for batch, horizon in ((2, 5), (70, 3), (1, 4), (2, 5)):
        context, actions = draw(model, batch, horizon)
        assert_same(model, context, actions)
        model.rollout(context, actions[:, :0], actions).square().mean().backward()
        optimizer.step()  # the next call sees new weights,
        model.normalizer.set(*(torch.rand(n) + 0.5 for n in (3, 3, 2, 2)))  # statistics,
    model.predictor.net[0] = nn.Linear(5, 9).double()  # layers,
    model.predictor.net[2] = nn.Linear(9, 5).double()
    assert_same(model, *draw(model, 2, 5))
    model.float()  # and types
    assert_same(model, *draw(model, 2, 5))
    assert_same(copy.deepcopy(model), *draw(model, 2, 5))


def test_what_is_prepared_is_kept_while_parameters_are_constant_and_no_longer():
    model = make_model()
    context, actions = draw(model, 2, 5)
    with constant_parameters():
        with constant_parameters():
            before = fused(model, context, actions)
        kept = prepared()[model].packed
        assert fused(model, context, actions).equal(before)
        assert prepared()[model].packed is kept
        model.float()  # an input of another type is not served by what is kept
        with pytest.raises(RuntimeError, match="dtype"):
            fused(model, context, actions)
        model.double()
    with torch.no_grad():
        model.predictor.net[2].weight.add_(1.0)
    assert not fused(model, context, actions).allclose(before)


def test_layers_too_wide_for_whole_tiles_equal_plain_autograd():
    assert_same(make_model((180, 170)), *draw(make_model((180, 170)), 19, 2))


def test_going_back_through_weights_that_changed_since_is_refused():
    model = make_model()
    context, actions = draw(model, 2, 5)
    predicted = fused(model, context, actions.requires_grad_())
    with torch.no_grad():
        model.predictor.net[2].weight.add_(1.0)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        predicted.sum().backward()


def test_a_second_derivative_is_refused():
    model = make_model()
    context, actions = draw(model, 2, 5)
    (gradient,) = torch.autograd.grad(
        fused(model, context, actions.requires_grad_()).square().sum(), actions, create_graph=True
    )
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()


class Doubled(MLPPredictor):
    def forward(self, latents, actions):
        return 2 * super().forward(latents, actions)


def hooked_outside(predictor):
    predictor.register_forward_hook(lambda module, args, output: output + 1)


def hooked(predictor):
    predictor.net[0].register_forward_hook(lambda module, args, output: output + 1)


def normed(predictor):
    nn.utils.parametrizations.weight_norm(predictor.net[0])


def other_activation(predictor):
    predictor.net[1] = nn.GELU(approximate="tanh")


def biasless(predictor):
    predictor.net[2] = nn.Linear(7, 5, bias=False).double()


def deeper(predictor):
    predictor.net.append(nn.Identity())


@pytest.mark.parametrize("change", [hooked, hooked_outside, normed, other_activation, biasless, deeper])
def test_a_changed_perceptron_is_rolled_out_as_it_is(change):
    model = make_model(activation="gelu")
    change(model.predictor)
    context, actions = draw(model, 2, 5)
    assert torch.equal(fused(model, context, actions), plain(model, context, actions))
    assert not is_fused(fused(model, context, actions.requires_grad_()))


def test_a_subclass_is_rolled_out_by_its_own_forward():
    model = WorldModel(IdentityEncoder(3, [0]), Doubled(3, 2, (7,))).double()
    context, actions = draw(model, 2, 5)
    assert torch.equal(fused(model, context, actions), plain(model, context, actions))


def test_function_transforms_and_autocast_take_autograds_way():
    model = make_model()
    context, actions = draw(model, 2, 3)
    jacobian = torch.func.jacfwd(lambda a: fused(model, context, a))(actions)
    expected = torch.autograd.functional.jacobian(lambda a: fused(model, context, a), actions)
    torch.testing.assert_close(jacobian, expected)
    with torch.autocast("cpu", torch.bfloat16):
        small = make_model(dtype=torch.float32)
        assert not is_fused(fused(small, context.float(), actions.float().requires_grad_()))


def test_what_the_fused_form_does_not_know_goes_to_the_modules():
    model = make_model()
    context, actions = draw(model, 2, 5)
    assert torch.equal(fused(model, context, actions.float()), plain(model, context, actions.float()))
    for bad in (actions[:1], actions.repeat(1, 1, 2), actions[:, :0]):
        with pytest.raises((RuntimeError, ValueError)):
            fused(model, context, bad)


def test_the_graph_is_freed_with_its_result():
    model = make_model()
    context, actions = draw(model, 2, 5)
    gc.disable()
    try:
        node = weakref.ref(fused(model, context, actions.requires_grad_()).grad_fn)
        assert node() is None  # no reference cycle keeps the activations
    finally:
        gc.enable()
