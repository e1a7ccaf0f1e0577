import warnings
from dataclasses import replace

import pytest
import torch
from planning_problems import make_problem, random_mlp
from test_planner import PLANNERS, build

from gbplan.planners import RandomShooting
from gbplan.planners import problem as problem_module
from gbplan.planners.replay import Replay, record_cuda_graph, recorder_for

on_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


def record_on_cpu(function, x):
    """Like a CUDA graph: works in memory of its own, which the next replay overwrites."""
    given = x.clone()
    results = function(given)

    def replay(x):
        given.copy_(x)
        for result, new in zip(results, function(given), strict=True):
            result.copy_(new)
        return tuple(result.clone() for result in results)

    return replay


class Doubling:
    """Counts its calls."""

    __name__ = "double"

    def __init__(self):
        self.calls = 0

    def __call__(self, x):
        self.calls += 1
        return (2 * x,)


def test_second_call_is_recorded_and_replayed_from_then_on():
    recorded = []

    def record(function, x):
        recorded.append(tuple(x.shape))
        return lambda x: (2 * x + 1,)  # tells a replay from a call

    replay, double = Replay(record), Doubling()
    assert [replay(double, torch.tensor([float(x)]))[0].item() for x in (1, 2, 3)] == [2.0, 5.0, 7.0]
    assert recorded == [(1,)]
    assert double.calls == 1


def test_each_shape_type_and_function_is_recorded_by_itself():
    recorded = []

    def record(function, x):
        recorded.append((function.__name__, tuple(x.shape), x.dtype))
        return function

    replay, double, other = Replay(record), Doubling(), Doubling()
    other.__name__ = "other"
    kinds = [
        (double, torch.ones(1)),
        (double, torch.ones(2)),
        (double, torch.ones(1, dtype=torch.float64)),
        (other, torch.ones(1)),
    ]
    for function, x in kinds * 3:
        replay(function, x)
    assert recorded == [(function.__name__, tuple(x.shape), x.dtype) for function, x in kinds]


def test_what_cannot_be_recorded_is_called_plainly_with_one_warning():
    def record(function, x):
        raise RuntimeError("operation not permitted when stream is capturing\nand more")

    replay, double = Replay(record), Doubling()
    replay(double, torch.ones(1))
    with pytest.warns(UserWarning, match="cannot be captured in a CUDA graph: operation not permitted .* capturing$"):
        assert replay(double, torch.ones(1))[0] == 2
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert replay(double, torch.tensor([3.0]))[0] == 6
    assert double.calls == 3


def test_other_errors_are_the_callers():
    def record(function, x):
        raise ValueError("the model returns another shape")

    replay = Replay(record)
    replay(Doubling(), torch.ones(1))
    with pytest.raises(ValueError, match="another shape"):
        replay(Doubling(), torch.ones(1))


def test_nothing_is_recorded_on_a_cpu():
    assert recorder_for(torch.device("cpu")) is None
    assert recorder_for(torch.device("cuda")) is record_cuda_graph


@pytest.mark.parametrize("planner", PLANNERS)
def test_replayed_plans_are_the_same(planner, monkeypatch):
    plain = build(planner).plan(make_problem())
    replays = []

    def record(function, x):
        replays.append(function.__name__)
        return record_on_cpu(function, x)

    monkeypatch.setattr(problem_module, "recorder_for", lambda device: record)
    replayed = build(planner).plan(make_problem())
    torch.testing.assert_close(replayed.actions, plain.actions, rtol=0, atol=0)
    torch.testing.assert_close(replayed.trace, plain.trace, rtol=0, atol=0)
    assert bool(replays) == (planner is not RandomShooting)  # which asks once and has nothing to replay


@on_gpu
@pytest.mark.parametrize("planner", PLANNERS)
def test_plans_captured_on_a_gpu_are_the_plain_ones(planner, monkeypatch):
    def on_device():
        problem = make_problem(model=random_mlp().cuda())
        tensors = {name: value.cuda() for name, value in vars(problem).items() if isinstance(value, torch.Tensor)}
        return replace(problem, **tensors)

    captured = build(planner).plan(on_device())
    monkeypatch.setattr(problem_module, "recorder_for", lambda device: None)
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
    replay = record_cuda_graph(apply, x)
    with torch.no_grad():
        model.weight.mul_(2)
    other = torch.randn(3, 2, device="cuda")
    torch.testing.assert_close(replay(other), apply(other))


@on_gpu
def test_model_that_waits_for_the_gpu_is_planned_through_plainly():
    class Waits(torch.nn.Module):
        def forward(self, x):
            return x * float(x.sum())

    model = Waits().cuda()
    replay = Replay(record_cuda_graph)
    x = torch.ones(2, device="cuda")

    def apply(x):
        return (model(x),)

    replay(apply, x)
    with pytest.warns(UserWarning, match="cannot be captured"):
        torch.testing.assert_close(replay(apply, x)[0], 2 * x)
    torch.testing.assert_close(replay(apply, x)[0], 2 * x)
