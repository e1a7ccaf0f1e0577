import contextlib
import warnings
from dataclasses import replace

import pytest
import torch
from planning_problems import make_problem, random_mlp
from test_planner import PLANNERS, build
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from gbplan.networks.fused import mlp
from gbplan.objectives import GoalMSE, ReachGoal, WeightedGoalLoss
from gbplan.objectives.gradients import cost_and_gradients
from gbplan.planners import GradientPlanner, GRASPPlanner, RandomShooting, memory
from gbplan.planners import problem as problem_module
from gbplan.planners.cuda_graph import Graphed, capture_cuda_graph, capture_for

on_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


@pytest.fixture(autouse=True)
def without_autograd():
    with torch.no_grad():  # as in a planner
        yield


@pytest.fixture
def without_kernel(monkeypatch):
    """Rollouts as on a GPU: by torch's operations."""
    monkeypatch.setattr(mlp, "_kernel", lambda: None)


def capture_operations(function, *given):
    """Like a CUDA graph: the operations of one call, without any of its Python."""
    return make_fx(lambda *given: function(*given))(*given)


class Doubling:
    """Counts its calls."""

    __name__ = "double"

    def __init__(self):
        self.calls = 0

    def __call__(self, x):
        self.calls += 1
        return (2 * x,)


def test_second_call_is_captured_and_the_capture_launched_from_then_on():
    captured = []

    def capture(function, x):
        captured.append(tuple(x.shape))
        return lambda x: (2 * x + 1,)  # tells the capture from a call

    graphed, double = Graphed(capture), Doubling()
    assert [graphed("double", double, torch.tensor([float(x)]))[0].item() for x in (1, 2, 3)] == [2.0, 5.0, 7.0]
    assert captured == [(1,)]
    assert double.calls == 1


def test_each_shape_type_and_function_is_captured_by_itself():
    captured = []

    def capture(function, x):
        captured.append((function.__name__, tuple(x.shape), x.dtype))
        return function

    graphed, double, other = Graphed(capture), Doubling(), Doubling()
    other.__name__ = "other"
    kinds = [
        (double, torch.ones(1)),
        (double, torch.ones(2)),
        (double, torch.ones(1, dtype=torch.float64)),
        (other, torch.ones(1)),
    ]
    for function, x in kinds * 3:
        graphed(function.__name__, function, x)
    assert captured == [(function.__name__, tuple(x.shape), x.dtype) for function, x in kinds]


def test_what_cannot_be_captured_is_called_plainly_with_one_warning():
    def capture(function, x):
        raise RuntimeError("operation not permitted when stream is capturing\nand more")

    graphed, double = Graphed(capture), Doubling()
    graphed("double", double, torch.ones(1))
    with pytest.warns(UserWarning, match="capturing it in a CUDA graph failed: operation not permitted .* capturing$"):
        assert graphed("double", double, torch.ones(1))[0] == 2
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert graphed("double", double, torch.tensor([3.0]))[0] == 6
    assert double.calls == 3


def test_other_errors_are_the_callers():
    def capture(function, x):
        raise ValueError("the model returns another shape")

    graphed = Graphed(capture)
    graphed("double", Doubling(), torch.ones(1))
    with pytest.raises(ValueError, match="another shape"):
        graphed("double", Doubling(), torch.ones(1))


def test_nothing_is_captured_on_a_cpu():
    assert capture_for(torch.device("cpu")) is None
    assert capture_for(torch.device("cuda")) is capture_cuda_graph


def test_model_that_failed_is_not_captured_again():
    def capture(function, x):
        raise RuntimeError("no")

    model = torch.nn.Linear(1, 1)
    for attempt in range(2):
        graphed, double = Graphed(capture, model), Doubling()
        graphed("double", double, torch.ones(1))
        with contextlib.nullcontext() if attempt else pytest.warns(UserWarning, match="failed: no"):
            graphed("double", double, torch.ones(1))
        assert double.calls == 2


def test_what_autograd_should_see_is_called_plainly():
    graphed, double = Graphed(lambda function, x: pytest.fail("captured")), Doubling()
    x = torch.ones(1, requires_grad=True)
    with torch.enable_grad():
        for _ in range(3):
            (doubled,) = graphed("double", double, x)
            assert torch.autograd.grad(doubled, x)[0] == 2


@pytest.mark.parametrize(
    ("planner", "rows", "history"),
    [
        *((planner, None, 1) for planner in PLANNERS),
        *(
            pytest.param(planner, *how, marks=[] if planner is GradientPlanner else pytest.mark.slow)
            for planner in PLANNERS
            for how in [(4, 1), (None, 2)]
        ),
    ],
)
def test_captured_plans_are_the_plain_ones(planner, rows, history, without_kernel, monkeypatch):
    if rows:
        monkeypatch.setattr(memory, "rows_at_once", lambda *_, **__: rows)
    problem = make_problem(model=random_mlp(history=history))
    plain = build(planner).plan(problem)
    captured = []

    def capture(function, *given):
        captured.append(function.func.__name__)
        return capture_operations(function, *given)

    monkeypatch.setattr(problem_module, "capture_for", lambda device: capture)
    plan = build(planner).plan(problem)
    torch.testing.assert_close(plan.actions, plain.actions)
    torch.testing.assert_close(plan.trace, plain.trace)
    assert bool(captured) == (planner is not RandomShooting)  # which asks once
    assert ("_pull" in captured) == (planner is GRASPPlanner)  # whose iterations do not roll out


@pytest.mark.parametrize("objective", [ReachGoal(), GoalMSE(), WeightedGoalLoss("increasing"), WeightedGoalLoss()])
def test_objectives_make_nothing_on_the_cpu(objective):
    # Copying from there is what a CUDA graph cannot capture.
    class Watch(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            result = func(*args, **(kwargs or {}))
            assert all(tensor.is_meta for tensor in tree_leaves(result) if isinstance(tensor, torch.Tensor)), func
            return result

    predicted, goal, actions = (torch.zeros(shape, device="meta") for shape in ((3, 5, 2), (3, 2), (3, 5, 2)))
    with Watch():
        objective(predicted, goal, actions)
        cost_and_gradients(objective, predicted, goal, actions)


@on_gpu
@pytest.mark.parametrize("planner", PLANNERS)
def test_plans_captured_on_a_gpu_are_the_plain_ones(planner, monkeypatch):
    def on_device():
        problem = make_problem(model=random_mlp().cuda())
        tensors = {name: value.cuda() for name, value in vars(problem).items() if isinstance(value, torch.Tensor)}
        return replace(problem, **tensors)

    captured = build(planner).plan(on_device())
    monkeypatch.setattr(problem_module, "capture_for", lambda device: None)
    plain = build(planner).plan(on_device())
    torch.testing.assert_close(captured.actions, plain.actions)
    torch.testing.assert_close(captured.trace, plain.trace)


@on_gpu
def test_graph_reads_new_inputs_and_new_parameters():
    model = torch.nn.Linear(2, 2).cuda()
    x = torch.randn(3, 2, device="cuda")

    def apply(x):
        with torch.no_grad():
            return (model(x),)

    apply(x)
    launch = capture_cuda_graph(apply, x)
    with torch.no_grad():
        model.weight.mul_(2)
    other = torch.randn(3, 2, device="cuda")
    torch.testing.assert_close(launch(other), apply(other))


@on_gpu
def test_model_that_waits_for_the_gpu_is_planned_through_plainly():
    class Waits(torch.nn.Module):
        def forward(self, x):
            return x * float(x.sum())

    model = Waits().cuda()
    graphed = Graphed(capture_cuda_graph)
    x = torch.ones(2, device="cuda")

    def apply(x):
        return (model(x),)

    graphed("apply", apply, x)
    with pytest.warns(UserWarning, match="capturing it in a CUDA graph failed"):
        torch.testing.assert_close(graphed("apply", apply, x)[0], 2 * x)
    assert torch.cuda.current_stream() == torch.cuda.default_stream()
    torch.randn(2, device="cuda")
    torch.cuda.empty_cache()
    torch.testing.assert_close(graphed("apply", apply, x)[0], 2 * x)
    assert torch.cuda.current_stream() == torch.cuda.default_stream()
    torch.randn(2, device="cuda")
    torch.cuda.empty_cache()
