import warnings

import pytest
import torch

from gbplan.networks import IdentityEncoder, MLPPredictor, ViTPredictor, WorldModel, bfloat16
from gbplan.networks.bfloat16 import CurrentCopy, in_bfloat16
from gbplan.objectives import GoalMSE
from gbplan.planners import CEMPlanner, GradientPlanner, PlanningProblem


@pytest.fixture(autouse=True)
def processor_with_bfloat16(monkeypatch):
    """Every processor computes in it, if slowly."""
    monkeypatch.setattr(bfloat16, "has_bfloat16", lambda device: True)


def make_model(conditioning="adaln", attention="sliding"):
    torch.manual_seed(0)
    predictor = ViTPredictor((4,), 2, 2, width=32, heads=2, conditioning=conditioning, attention=attention)
    for parameter in predictor.parameters():
        if parameter.ndim > 1:
            parameter.data = 0.2 * torch.randn(parameter.shape)
    return WorldModel(IdentityEncoder(4), predictor).eval()


def make_problem(model):
    one, generator = torch.ones(2), torch.Generator().manual_seed(1)
    context, goal = torch.randn(3, 2, 4, generator=generator), torch.randn(3, 2, generator=generator)
    return PlanningProblem(model, GoalMSE(), context, torch.zeros(3, 1, 2), goal, -one, one)


@pytest.mark.parametrize("conditioning", ["token", "adaln"])
@pytest.mark.parametrize("attention", ["window", "sliding"])
def test_costs_and_gradients_are_near_those_in_float32(conditioning, attention):
    model = make_model(conditioning, attention)
    actions = torch.rand(3, 5, 4, 2, generator=torch.Generator().manual_seed(2))
    exact = make_problem(model).cost_and_gradient(actions)
    rounded = make_problem(in_bfloat16(model)).cost_and_gradient(actions)
    for found, wanted in zip(rounded, exact, strict=True):
        assert found.dtype == torch.float32
        assert 0 < (found - wanted).abs().max() < 0.05 * wanted.abs().max()


@pytest.mark.parametrize("planner", [GradientPlanner(4, 10, num_samples=8), CEMPlanner(4, 3, 20, 5)])
def test_a_plan_in_bfloat16_is_about_as_good_in_float32(planner):
    model = make_model()
    problem = make_problem(model)
    exact, rounded = planner.plan(problem), planner.plan(make_problem(in_bfloat16(model)))
    cost = problem.cost(rounded.actions[:, None]).squeeze(1)
    torch.testing.assert_close(cost, exact.cost, rtol=0.05, atol=0.01)


def test_the_model_stays_as_it_was_and_shares_what_is_not_rounded():
    model = make_model()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    copied = in_bfloat16(model)
    assert copied.predictor.place is model.predictor.place
    assert not copied.training
    for name, tensor in model.state_dict().items():
        assert tensor.dtype == before[name].dtype
        assert torch.equal(tensor, before[name])


def train(model, fused):
    """One step, which changes every weight."""
    for parameter in model.predictor.parameters():
        parameter.grad = torch.ones_like(parameter)
    torch.optim.AdamW(model.predictor.parameters(), lr=0.1, fused=fused).step()


def write(model):
    """As the callback does that averages weights."""
    for parameter in model.predictor.parameters():
        parameter.data.copy_(parameter.data + 0.1)


def load(model):
    weights = model.predictor.state_dict()
    model.predictor.load_state_dict({name: 2 * weight for name, weight in weights.items()})


def replace(model):
    model.predictor.place = torch.nn.Parameter(torch.randn_like(model.predictor.place))


@pytest.mark.parametrize(
    ("change", "kept"),
    [
        (lambda model: train(model, fused=True), True),
        (lambda model: train(model, fused=False), True),
        (write, True),
        (load, True),
        (replace, False),
        (lambda model: setattr(model, "predictor", make_model("token").predictor), False),
    ],
    ids=["fused step", "step", "data", "load", "tensor", "predictor"],
)
def test_the_copy_is_kept_and_plans_with_the_weights_of_the_moment(change, kept):
    model, current = make_model(), CurrentCopy()
    actions = torch.rand(3, 5, 4, 2, generator=torch.Generator().manual_seed(2))
    copied = current(model)
    before = make_problem(copied).cost(actions)
    assert current(model) is copied
    assert torch.equal(make_problem(current(model)).cost(actions), before)
    change(model)
    again = current(model)
    assert (again is copied) == kept
    found = make_problem(again).cost(actions)
    assert torch.equal(found, make_problem(in_bfloat16(model)).cost(actions))
    assert not torch.equal(found, before)


def test_another_model_has_another_copy_and_one_without_transformer_is_told_once():
    current, model = CurrentCopy(), WorldModel(IdentityEncoder(4), MLPPredictor(4, 2, (8,)))
    first = current(make_model())
    with pytest.warns(UserWarning, match="MLPPredictor plans as it is"):
        assert current(model) is model
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert current(model) is model
    assert current(make_model()) is not first


def test_a_processor_without_it_plans_in_float32_after_a_warning(monkeypatch):
    monkeypatch.setattr(bfloat16, "has_bfloat16", lambda device: False)
    model = make_model()
    with pytest.warns(UserWarning, match="this processor has no instructions for bfloat16; planning in float32"):
        assert in_bfloat16(model) is model


def test_a_perceptron_plans_as_it_is_after_a_warning():
    model = WorldModel(IdentityEncoder(4), MLPPredictor(4, 2, (8,)))
    with pytest.warns(UserWarning, match="precision bfloat16 is for ViTPredictor; MLPPredictor plans as it is"):
        assert in_bfloat16(model) is model


def test_no_warning_where_it_is_used():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert in_bfloat16(make_model()) is not None
