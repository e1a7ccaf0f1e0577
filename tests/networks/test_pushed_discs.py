import math

import pytest
import torch

from gbplan.networks import IdentityEncoder, PushedDiscsPredictor, WorldModel

DISCS = 7


@pytest.fixture
def model():
    torch.manual_seed(0)
    predictor = PushedDiscsPredictor(DISCS, reach=0.4, sight=0.15, width=8, rounds=2)
    model = WorldModel(IdentityEncoder(2 * DISCS, range(2 * DISCS)), predictor).double()
    moments = torch.linspace(-0.1, 0.1, 2 * DISCS), torch.linspace(0.1, 0.2, 2 * DISCS)
    model.normalizer.set(*moments, torch.tensor([0.1, 0.0, -0.1, 0.2]), torch.tensor([0.5, 0.4, 0.3, 0.6]))
    return model


def pushed(model, discs, begin, end):
    """The discs ``(N, 2)`` after a push, m."""
    action = torch.cat([begin, end]) / 0.4
    latent = model.encode({"observation": discs.flatten()})
    return model.normalizer.restore(model.step(latent[None], action[None])).view(DISCS, 2)


def draw():
    generator = torch.Generator().manual_seed(1)
    return [0.1 * torch.randn(shape, generator=generator, dtype=torch.float64) for shape in ((DISCS, 2), 2, 2)]


def test_a_push_turned_and_shifted_with_the_discs_has_the_same_outcome_turned_and_shifted(model):
    turn = torch.tensor([[math.cos(2.0), -math.sin(2.0)], [math.sin(2.0), math.cos(2.0)]], dtype=torch.float64)
    given = draw()
    moved = [place @ turn.T + torch.tensor([0.2, -0.05], dtype=torch.float64) for place in given]
    outcome = pushed(model, *given)
    assert (outcome - given[0]).abs().max() > 1e-3
    torch.testing.assert_close(
        pushed(model, *moved), outcome @ turn.T + torch.tensor([0.2, -0.05], dtype=torch.float64)
    )


def test_order_of_the_discs_does_not_matter(model):
    discs, begin, end = draw()
    order = torch.tensor([3, 0, 6, 5, 1, 2, 4])
    torch.testing.assert_close(pushed(model, discs[order], begin, end), pushed(model, discs, begin, end)[order])


def test_a_disc_hears_of_others_within_sight_once_a_round(model):
    discs, begin, end = draw()
    discs[:] = torch.stack([0.1 * torch.arange(DISCS), torch.zeros(DISCS)], dim=1)  # each sees the next, not the second
    moved = discs.clone()
    moved[0, 1] += 0.05
    changed = (pushed(model, moved, begin, end) - pushed(model, discs, begin, end)).abs().amax(dim=1)
    assert (changed[:3] > 1e-9).all()  # after two rounds
    assert (changed[3:] < 1e-12).all()


def test_a_push_of_no_length_moves_nothing(model):
    discs, begin, _ = draw()
    torch.testing.assert_close(pushed(model, discs, begin, begin), discs)


def test_plans_are_differentiable_in_where_a_push_begins_and_ends(model):
    context = torch.randn(2, 1, 2 * DISCS, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    actions = 0.3 * torch.randn(2, 2, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    assert torch.autograd.gradcheck(lambda a: model.rollout(context, a[:, :0], a), actions.requires_grad_())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"discs": 0}, "discs must be at least 1"),
        ({"width": 0}, "width must be at least 1"),
        ({"rounds": 0}, "rounds must be at least 1"),
        ({"reach": 0.0}, "reach must be positive"),
        ({"sight": -1.0}, "sight must be positive"),
    ],
)
def test_a_number_out_of_range_is_named(changes, message):
    with pytest.raises(ValueError, match=message):
        PushedDiscsPredictor(**{"discs": DISCS, "reach": 0.4, "sight": 0.1, **changes})
