"""Promises of every planner, checked for all of them."""

import inspect
from dataclasses import FrozenInstanceError, dataclass, replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from planning_problems import make_problem, random_mlp

from gbplan.networks import Encoder, IdentityEncoder, InitNetwork, MLPPredictor, Predictor, WorldModel
from gbplan.networks.fused import mlp
from gbplan.objectives import Objective
from gbplan.planners import Colored, GradientPlanner, InitializedPlanner, Knots, Plan, Planner, White, memory

SMALL = {
    "horizon": 5,
    "iterations": 4,
    "num_samples": 6,
    "num_elites": 2,
    "keep_elites": 1,
    "restarts": 2,
    "noise": Knots(3),
}
VARIANTS = [
    {},
    {"optimizer": "gd", "noise": White(), "action_noise": 0.1},
    {"optimizer": "adamw", "bounds": "tanh", "patience": 1, "tolerance": 0.02},
    {"optimizer": "momentum"},
    {"noise": White(), "min_std": 0.0},
    {"noise": Colored(0.0), "keep_elites": 0, "momentum": 0.0},
    {"gradient_steps": 3, "action_noise": 0.1},
    {"sync_every": 2, "sync_steps": 1, "state_noise": 0.0},
]
PLANNERS = [planner for planner in Planner.__subclasses__() if planner.__module__.startswith("gbplan.")]


def build(planner, action_dim=2, **arguments):
    """The planner in small, with those of the arguments that it knows."""
    if planner is InitializedPlanner:
        return untrained(build(GradientPlanner, **arguments), action_dim)
    known = inspect.signature(planner).parameters
    return planner(**{name: value for name, value in (SMALL | arguments).items() if name in known})


def untrained(planner, action_dim):
    initialized = InitializedPlanner(planner, "nowhere.ckpt")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        vars(initialized)["network"] = InitNetwork(3, 2, action_dim, horizon=4, hidden_sizes=(8,)).eval()
    return initialized


def all_planners():
    for planner in PLANNERS:
        known = inspect.signature(planner).parameters
        for variant in VARIANTS:
            if set(variant) <= set(known):
                yield build(planner, **variant)


def name(planner):
    return type(planner).__name__


def iterations(planner):
    planner = getattr(planner, "planner", planner)  # the one that is initialized
    return getattr(planner, "iterations", 1)  # a planner without any draws once


@pytest.fixture(params=["compiled", "products"])
def loops(request, monkeypatch):
    """Rollouts in compiled loops, and by torch's operations: as on a GPU, or where numba is missing."""
    if request.param == "products":
        monkeypatch.setattr(mlp, "_kernel", lambda: None)


@pytest.fixture(params=["compiled", "products", "history"])
def history(request, monkeypatch):
    """How many frames the model looks at: with one, rollouts as in ``loops``; with three, step by step."""
    if request.param == "products":
        monkeypatch.setattr(mlp, "_kernel", lambda: None)
    return 3 if request.param == "history" else 1


@pytest.fixture(params=all_planners(), ids=name)
def planner(request):
    return request.param


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_plan_has_the_stated_shapes_and_is_detached(planner):
    plan = planner.plan(make_problem(3), generator=generator())
    assert plan.actions.shape == (3, 5, 2)
    assert plan.cost.shape == (3,)
    assert plan.trace.shape == (iterations(planner), 3)
    assert plan.model_calls.shape == (3,)
    assert plan.model_calls.dtype == torch.int64
    assert not plan.actions.requires_grad
    assert not plan.cost.requires_grad


def test_reported_cost_is_the_cost_of_the_returned_actions(planner, history):
    problem = make_problem(3, model=random_mlp(history=history))
    plan = planner.plan(problem, generator=generator())
    with torch.no_grad():
        torch.testing.assert_close(problem.cost(plan.actions[:, None])[:, 0], plan.cost)


def test_trace_never_rises_and_ends_at_the_cost(planner):
    plan = planner.plan(make_problem(3), generator=generator())
    assert (plan.trace.diff(dim=0) <= 0).all()
    assert torch.equal(plan.trace[-1], plan.cost)


@pytest.mark.parametrize("planner_type", PLANNERS, ids=lambda t: t.__name__)
@settings(max_examples=15, deadline=None)
@given(
    batch=st.integers(1, 4),
    horizon=st.integers(1, 7),
    bounds=st.lists(
        st.tuples(st.floats(-1e3, 1e3), st.floats(1e-3, 1e3)).map(lambda b: (b[0], b[0] + b[1])), min_size=1, max_size=3
    ),
    stretch=st.floats(0, 1e4),
)
def test_actions_lie_within_any_bounds_for_any_shape_and_init(planner_type, batch, horizon, bounds, stretch):
    low, high = zip(*bounds, strict=True)
    problem = make_problem(batch, model=random_mlp(action_dim=len(low)), low=low, high=high)
    init = stretch * torch.randn(batch, horizon, len(low), generator=generator(), dtype=torch.float64)
    init = init.clamp(problem.low, problem.high)  # often right on the bounds
    plan = build(planner_type, action_dim=len(low)).plan(problem, init, horizon=horizon)
    assert plan.actions.shape == (batch, horizon, len(low))
    assert ((problem.low <= plan.actions) & (plan.actions <= problem.high)).all()


@pytest.mark.usefixtures("loops")
def test_plan_is_never_costlier_than_its_initial_actions(planner):
    problem = make_problem(8)
    good = build(type(planner), iterations=30).plan(problem, generator=generator(1)).actions
    init_cost = problem.cost(good[:, None])[:, 0]
    assert (planner.plan(problem, good, generator=generator()).cost <= init_cost + 1e-12).all()


def test_same_generator_state_gives_the_same_plan_and_another_state_another(planner):
    problem = make_problem(3)
    first, again, other = (planner.plan(problem, generator=generator(seed)) for seed in (0, 0, 1))
    assert torch.equal(first.actions, again.actions)
    assert not torch.equal(first.actions, other.actions)


def test_without_a_generator_every_call_gives_the_same_plan_whatever_the_global_seed(planner):
    problem = make_problem(3)
    first = planner.plan(problem)
    torch.manual_seed(123)
    assert torch.equal(first.actions, planner.plan(problem).actions)


def test_exactly_one_number_is_drawn_from_the_generator(planner):
    used, reference = generator(), generator()
    planner.plan(make_problem(3), generator=used)
    torch.randint(2**63 - 1, (), generator=reference)
    assert torch.equal(used.get_state(), reference.get_state())


@pytest.mark.parametrize("warm", [False, True], ids=["cold", "warm"])
def test_a_row_does_not_depend_on_the_other_rows(planner, warm, history, monkeypatch):
    monkeypatch.setattr(memory, "rows_at_once", lambda *_, **__: 7)  # which splits tasks
    problem = make_problem(5, model=random_mlp(history=history))
    init = 0.5 * torch.rand(5, 5, 2, generator=generator(2), dtype=torch.float64) if warm else None
    together = planner.plan(problem, init, generator=generator())
    for rows in ([0], [3], [1, 4]):
        alone = planner.plan(
            problem.select(torch.tensor(rows)), None if init is None else init[rows], generator=generator()
        )
        torch.testing.assert_close(alone.actions, together.actions[rows])
        torch.testing.assert_close(alone.trace, together.trace[:, rows])
        assert torch.equal(alone.model_calls, together.model_calls[rows])


class Column(Encoder):
    """Latents of two axes, as patches have them."""

    latent_shape = (3, 1)

    def encode(self, observations):
        return observations["observation"][..., None]

    def goal_features(self, latent):
        return latent[..., :2, 0]

    def encode_goal(self, observations):
        return observations["desired_goal"]


class ColumnMLP(Predictor):
    latent_shape, action_dim = (3, 1), 2

    def __init__(self, flat):
        super().__init__()
        self.flat = flat

    def forward(self, latents, actions):
        return self.flat(latents[..., 0], actions)[..., None]


def test_latents_may_have_several_axes(planner):
    flat = random_mlp()
    column = WorldModel(Column(), ColumnMLP(flat.predictor)).double()
    problem = make_problem(3, model=flat)
    expected = planner.plan(problem)
    plan = planner.plan(replace(problem, model=column, context=problem.context[..., None]))
    torch.testing.assert_close(plan.actions, expected.actions)


@pytest.mark.usefixtures("loops")
def test_half_ranges_are_the_unit_of_every_length(planner):
    """A problem with actions ten times as large and ten times weaker has the same plan, ten times as large."""
    if isinstance(planner, InitializedPlanner):
        pytest.skip("a network's guess is in the units of the environment it was trained for")
    model, scaled = random_mlp(), random_mlp()
    scaled.normalizer.action_std.fill_(10.0)
    small = planner.plan(make_problem(2, model=model))
    large = planner.plan(make_problem(2, model=scaled, low=(-10.0, -5.0), high=(5.0, 20.0)))
    torch.testing.assert_close(large.actions, 10 * small.actions)


@pytest.mark.parametrize("mode", [torch.enable_grad, torch.no_grad, torch.inference_mode], ids=lambda m: m.__name__)
def test_plans_alike_in_every_gradient_mode_and_leaves_no_gradient_behind(planner, mode):
    model = random_mlp()
    expected = planner.plan(make_problem(2, model=model)).actions
    with mode():
        problem = make_problem(2, model=model)  # under inference_mode these are inference tensors
        plan = planner.plan(problem, init=None)
        assert plan.actions.is_inference() is False
    torch.testing.assert_close(plan.actions, expected)
    assert all(p.grad is None and p.requires_grad for p in model.parameters())


def test_planning_needs_no_model_parameter_to_require_gradients(planner):
    model = random_mlp()
    expected = planner.plan(make_problem(2, model=model)).actions
    torch.testing.assert_close(planner.plan(make_problem(2, model=model.requires_grad_(False))).actions, expected)


@pytest.mark.usefixtures("loops")
def test_inputs_are_left_alone(planner):
    problem = make_problem(2)
    init = torch.full((2, 5, 2), 0.3, dtype=torch.float64)
    before = {field: getattr(problem, field).clone() for field in ("context", "goal", "low", "high", "past_actions")}
    planner.plan(problem, init)
    assert all(torch.equal(getattr(problem, field), value) for field, value in before.items())
    assert (init == 0.3).all()


def test_horizon_of_the_call_overrides_the_planner_s_own(planner):
    plan = planner.plan(make_problem(2), horizon=2)
    assert plan.actions.shape == (2, 2, 2)
    assert planner.horizon == 5


def test_single_precision_problems_give_single_precision_plans_near_the_double_ones(planner):
    model = random_mlp()
    problem = make_problem(2, model=model)
    double = planner.plan(problem)
    fields = {f: getattr(problem, f).float() for f in ("context", "past_actions", "goal", "low", "high")}
    single = planner.plan(replace(problem, model=model.float(), **fields))
    assert single.actions.dtype == torch.float32
    torch.testing.assert_close(single.cost.double(), double.cost, rtol=1e-2, atol=1e-2)


class OverflowsOnPositiveActions(Objective):
    def __call__(self, predicted, goal, actions):
        return actions.square().sum((1, 2)) + torch.where(actions[:, 0, 0] > 0, torch.nan, 0.0)


def test_candidates_that_cost_nan_are_passed_over(planner):
    init = torch.full((2, 5, 2), -0.4, dtype=torch.float64)
    plan = planner.plan(make_problem(2, objective=OverflowsOnPositiveActions()), init)
    assert plan.cost.isfinite().all()
    assert (plan.actions[:, 0, 0] <= 0).all()


class NaNInRowOne(Objective):
    def __call__(self, predicted, goal, actions):
        return predicted.square().sum((1, 2)) + torch.where(goal[:, 0] > 50, torch.nan, 0.0)


def test_a_row_without_any_finite_cost_is_an_error_that_names_planner_and_row(planner):
    problem = make_problem(3, objective=NaNInRowOne())
    problem.goal[1] = 99.0
    with pytest.raises(
        ValueError,
        match=rf"{name(planner)} found no actions of finite cost for rows \[1\] in any of {iterations(planner)} ",
    ):
        planner.plan(problem)


def test_nan_weights_are_an_error(planner):
    model = random_mlp()
    with torch.no_grad():
        model.predictor.net[0].weight[0, 0] = torch.nan
    with pytest.raises(ValueError, match="are the model's weights finite"):
        planner.plan(make_problem(2, model=model))


BAD_PROBLEMS = {
    "no tasks": ({"context": torch.zeros(0, 1, 3)}, "context must have shape .* any task left"),
    "flat context": ({"context": torch.zeros(3, 3)}, "context must have shape"),
    "past actions": (
        {"past_actions": torch.zeros(3, 1, 2)},
        r"past_actions must have shape \(3, 0, 2\), got \(3, 1, 2\)",
    ),
    "goal batch": ({"goal": torch.zeros(2, 2)}, r"goal must have the shape .*\(3, 2\), got \(2, 2\)"),
    "goal size": ({"goal": torch.zeros(3, 3)}, r"goal must have the shape .*\(3, 2\), got \(3, 3\)"),
    "bounds shape": ({"high": torch.zeros(3)}, r"high must have shape \(2,\), got \(3,\)"),
    "bounds order": ({"low": torch.tensor([1.0, -1.0])}, "finite with low < high"),
    "infinite bounds": ({"high": torch.tensor([1.0, torch.inf])}, "finite with low < high"),
    "nan context": (
        {"context": torch.tensor([0.0, torch.nan, 0.0])[:, None, None].expand(3, 1, 3)},
        r"context .* rows \[1\]",
    ),
    "nan goal": (
        {"goal": torch.tensor([0.0, 0.0, torch.inf])[:, None].expand(3, 2)},
        r"goal must be finite.* rows \[2\]",
    ),
}


@pytest.mark.parametrize(("change", "message"), BAD_PROBLEMS.values(), ids=BAD_PROBLEMS.keys())
def test_malformed_problems_are_refused_by_name(planner, change, message):
    change = {field: value.double() for field, value in change.items()}
    with pytest.raises(ValueError, match=message):
        planner.plan(replace(make_problem(3), **change))


def test_malformed_init_is_refused(planner):
    problem = make_problem(3)
    with pytest.raises(ValueError, match=r"\(B, H, A\) = \(3, 5, 2\), got \(3, 4, 2\).*another horizon"):
        planner.plan(problem, torch.zeros(3, 4, 2))
    with pytest.raises(ValueError, match=r"init must be finite, got NaN or infinity in rows \[2\]"):
        planner.plan(problem, torch.tensor([0.0, 0.0, torch.nan])[:, None, None].expand(3, 5, 2))


def test_init_outside_the_bounds_is_refused_but_for_rounding(planner):
    problem = make_problem(3)  # -1..0.5 and -0.5..2
    init = torch.zeros(3, 5, 2, dtype=torch.float64)
    init[1, 2, 0], init[2, 0, 1] = 0.6, -7.0
    message = r"within the action bounds \[-1.0, -0.5\] and \[0.5, 2.0\], got values from -7 to 0.6 in rows \[1, 2\]"
    with pytest.raises(ValueError, match=message):
        planner.plan(problem, init)
    planner.plan(problem, torch.full((3, 5, 2), 0.5 + 1e-9))


class Returning(WorldModel):
    """A model whose rollout returns a given shape."""

    def __init__(self, reshape):
        super().__init__(IdentityEncoder(3), MLPPredictor(3, 2))
        self.reshape = reshape

    def rollout(self, context, past_actions, actions):
        return self.reshape(context[:, -1:].repeat(1, actions.shape[1], 1) + actions[:, :, :1])


SHAPES = {
    "the present among the future": lambda z: torch.cat([z[:, :1], z], dim=1),
    "the last step only": lambda z: z[:, -1],
    "another latent": lambda z: z[:, :, :2],
    "time first": lambda z: z.transpose(0, 1),
}


@pytest.mark.parametrize("reshape", SHAPES.values(), ids=SHAPES.keys())
def test_a_model_that_returns_a_wrong_shape_is_named(planner, reshape):
    model = Returning(reshape).double()
    with pytest.raises(
        ValueError, match=r"the rollout of Returning must return latents of shape \(rows, H, \*D\) = .*got"
    ):
        planner.plan(make_problem(3, model=model))


class MeanOverRows(Objective):
    def __call__(self, predicted, goal, actions):
        return predicted.square().mean()


def test_an_objective_that_mixes_rows_is_named(planner):
    with pytest.raises(
        ValueError, match=r"the objective MeanOverRows must return one cost per row, .*not average over"
    ):
        planner.plan(make_problem(3, objective=MeanOverRows()))


def test_a_model_on_another_device_is_refused(planner):
    problem = make_problem(3)
    with pytest.raises(ValueError, match="the model is on meta, the context on cpu; move one to the other's device"):
        planner.plan(replace(problem, model=random_mlp().to("meta")))


@pytest.mark.parametrize("planner_type", [p for p in PLANNERS if p is not InitializedPlanner], ids=lambda t: t.__name__)
def test_what_is_no_noise_is_refused_with_the_kinds_there_are(planner_type):
    with pytest.raises(TypeError, match=r"noise must be an object of a Noise class \(.*Knots.*\), got 'white'"):
        build(planner_type, noise="white")


def test_planners_are_records_that_compare_and_show_their_settings(planner):
    again = replace(planner)
    assert again == planner
    assert hash(again) == hash(planner)
    with pytest.raises(FrozenInstanceError):
        planner.horizon = 7
    if not isinstance(planner, InitializedPlanner):
        assert "noise=" in repr(planner)


def test_a_horizon_below_one_is_refused(planner):
    with pytest.raises(ValueError, match="horizon must be at least 1, got 0"):
        planner.plan(make_problem(3), horizon=0)
    with pytest.raises(ValueError, match="horizon must be at least 1, got -2"):
        build(type(planner), horizon=-2)


class Plain(Planner):
    """The shortest possible planner."""

    def _plan(self, problem, init, horizon, generator):
        actions = problem.center.expand(problem.batch_size, horizon, -1)
        cost = problem.cost(actions[:, None])[:, 0]
        return Plan(actions, cost, cost[None], torch.full((problem.batch_size,), horizon))


class Constructed(Plain):
    """With a constructor of its own."""

    def __init__(self, gain, horizon=4):
        super().__init__(horizon)
        self.gain = gain


@dataclass(frozen=True)
class Record(Plain):
    """With a field of its own."""

    gain: float = 1.0


@pytest.mark.parametrize("planner", [Plain(4), Constructed(2.0), Record(4, gain=2.0)], ids=name)
def test_planners_of_users_need_no_more_than_one_method(planner):
    assert planner.plan(make_problem(3)).actions.shape == (3, 4, 2)
    assert getattr(planner, "gain", 2.0) == 2.0
    with pytest.raises(ValueError, match="horizon must be at least 1, got 0"):
        Record(0)


class Returns(Planner):
    def __init__(self, made):
        super().__init__(3)
        object.__setattr__(self, "made", made)

    def _plan(self, problem, init, horizon, generator):
        return self.made(problem)


@pytest.mark.parametrize(
    ("made", "error", "message"),
    [
        (lambda problem: torch.zeros(2, 3, 2), TypeError, r"Returns._plan must return a Plan, got Tensor"),
        (
            lambda problem: Plan(torch.zeros(2, 3, 1), torch.zeros(2), torch.zeros(1, 2), torch.ones(2)),
            ValueError,
            r"Returns._plan must return actions of shape \(B, H, A\) = \(2, 3, 2\), got \(2, 3, 1\); A is",
        ),
        (
            lambda problem: problem.cost(torch.zeros(2, 5, 3, 4)),
            ValueError,
            r"candidates must have shape \(B, S, H, A\) with B = 2 and A = 2, a model action's, got \(2, 5, 3, 4\)",
        ),
    ],
)
def test_what_a_planner_of_ones_own_gets_wrong_is_named(made, error, message):
    with pytest.raises(error, match=message):
        Returns(made).plan(make_problem(2))
