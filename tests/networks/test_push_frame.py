import copy
import math

import pytest
import torch

from gbplan.networks import IdentityEncoder, PushFramePredictor, WorldModel

NODES = 7


@pytest.fixture
def model():
    torch.manual_seed(0)
    predictor = PushFramePredictor(NODES, reach=0.4, hidden_sizes=[16, 16])
    model = WorldModel(IdentityEncoder(2 * NODES, range(2 * NODES)), predictor).double()
    moments = torch.linspace(-0.1, 0.1, 2 * NODES), torch.linspace(0.1, 0.2, 2 * NODES)
    model.normalizer.set(*moments, torch.tensor([0.1, 0.0, -0.1, 0.2]), torch.tensor([0.5, 0.4, 0.3, 0.6]))
    return model


def pushed(model, chain, begin, end):
    """The chain ``(N, 2)`` after a push, m."""
    action = torch.cat([begin, end]) / 0.4
    latent = model.encode({"observation": chain.flatten()})
    return model.normalizer.restore(model.step(latent[None], action[None])).view(NODES, 2)


def draw():
    generator = torch.Generator().manual_seed(1)
    return [0.1 * torch.randn(shape, generator=generator, dtype=torch.float64) for shape in ((NODES, 2), 2, 2)]


def test_a_push_turned_and_shifted_with_the_chain_has_the_same_outcome_turned_and_shifted(model):
    turn = torch.tensor([[math.cos(2.0), -math.sin(2.0)], [math.sin(2.0), math.cos(2.0)]], dtype=torch.float64)
    shift = torch.tensor([0.2, -0.05], dtype=torch.float64)
    given = draw()
    moved = [place @ turn.T + shift for place in given]
    outcome = pushed(model, *given)
    assert (outcome - given[0]).abs().max() > 1e-3
    torch.testing.assert_close(pushed(model, *moved), outcome @ turn.T + shift)


def test_order_and_reflection_of_the_nodes_do_not_matter(model):
    chain, begin, end = draw()
    outcome = pushed(model, chain, begin, end)
    torch.testing.assert_close(pushed(model, chain.flip(0), begin, end), outcome.flip(0))
    mirror = torch.tensor([-1.0, 1.0], dtype=torch.float64)
    torch.testing.assert_close(pushed(model, *(place * mirror for place in (chain, begin, end))), outcome * mirror)


def test_a_push_of_no_length_moves_nothing(model):
    chain, begin, _ = draw()
    torch.testing.assert_close(pushed(model, chain, begin, begin), chain)


def test_plans_are_differentiable_in_where_a_push_begins_and_ends(model):
    context = torch.randn(2, 1, 2 * NODES, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    actions = 0.3 * torch.randn(2, 3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    assert torch.autograd.gradcheck(lambda a: model.rollout(context, a[:, :0], a), actions.requires_grad_())


def test_a_copy_reads_its_own_normaliser(model):
    given, other = draw(), copy.deepcopy(model)
    before = pushed(other, *given)
    model.normalizer.set(
        *(2 * part for part in (model.normalizer.latent_mean, model.normalizer.latent_std)),
        model.normalizer.action_mean,
        model.normalizer.action_std,
    )
    torch.testing.assert_close(pushed(other, *given), before)
    assert not any("units" in name for name in model.state_dict())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"nodes": 0}, "nodes must be at least 1"),
        ({"hidden_sizes": [8, 0]}, "hidden_sizes must be at least 1"),
        ({"activation": "sine"}, "activation must be"),
        ({"reach": 0.0}, "reach must be positive"),
    ],
)
def test_a_number_out_of_range_is_named(changes, message):
    with pytest.raises(ValueError, match=message):
        PushFramePredictor(**{"nodes": NODES, "reach": 0.4, **changes})
