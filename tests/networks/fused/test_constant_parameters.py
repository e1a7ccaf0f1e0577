"""Inside, the parameters of a model require no gradients; afterwards they do as before."""

import pytest
import torch
from torch import nn

from gbplan.networks.fused.constant_parameters import constant_parameters, parameters_are_constant


def two_layers():
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    model[0].bias.requires_grad_(False)
    return model


def required(model):
    return [parameter.requires_grad for parameter in model.parameters()]


def test_parameters_require_gradients_again_after_the_outermost_context():
    model = two_layers()
    with constant_parameters(model):
        with constant_parameters(model):
            assert not any(required(model))
        assert not any(required(model))
        with constant_parameters(two_layers()):
            assert parameters_are_constant()
    assert required(model) == [True, False, True, True]
    assert not parameters_are_constant()


def test_they_do_so_after_an_error_too():
    model = two_layers()
    with pytest.raises(RuntimeError, match="inside"), constant_parameters(model):
        raise RuntimeError("inside")
    assert required(model) == [True, False, True, True]


def test_gradients_of_inputs_are_the_same_and_a_graph_from_before_still_reaches_the_parameters():
    model, x = two_layers(), torch.randn(3, 2, requires_grad=True)
    before = model(x).sum()
    with constant_parameters(model):
        (inside,) = torch.autograd.grad(model(x).sum(), x)
    (outside,) = torch.autograd.grad(before, x, retain_graph=True)
    assert torch.equal(inside, outside)
    before.backward()
    assert model[1].weight.grad is not None
