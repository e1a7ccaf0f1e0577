import numpy as np
import pytest
import torch

from gbplan.networks import Encoder, IdentityEncoder, MLPPredictor, WorldModel
from gbplan.objectives import Objective, ReachGoal, Scaled
from gbplan.planners import CEMPlanner, PlanningProblem

BOUNDS = (np.array([-1.0, 0.5], np.float32), np.array([1.0, 2.0], np.float32))  # standing still is (0, 0.5)


def make_model(history=1, block=1):
    torch.manual_seed(0)
    model = WorldModel(IdentityEncoder(3), MLPPredictor(3, 2 * block, (8,), history=history), action_block=block)
    model.normalizer.set(torch.ones(3), 2 * torch.ones(3), torch.zeros(2), torch.ones(2))
    return model.eval()


def observe(frames, tasks=2):
    generator = np.random.default_rng(0)
    return {
        "observation": generator.normal(size=(tasks, frames, 3)),
        "desired_goal": generator.normal(size=(tasks, frames, 2)).astype(np.float32),
    }


def make_problem(model, seen, past_actions=None, bounds=BOUNDS, **changes):
    return PlanningProblem.from_observations(model, ReachGoal(), seen, past_actions, bounds=bounds, **changes)


def test_a_single_frame_is_encoded_with_the_goal_of_that_frame():
    model, seen = make_model(), observe(1)
    problem = make_problem(model, seen)
    standardised = (torch.from_numpy(seen["observation"]).float() - 1) / 2
    torch.testing.assert_close(problem.context, standardised)
    torch.testing.assert_close(problem.goal, torch.from_numpy(seen["desired_goal"][:, 0]))
    assert problem.past_actions.shape == (2, 0, 2)
    assert (problem.low.tolist(), problem.high.tolist()) == ([-1.0, 0.5], [1.0, 2.0])


def test_the_goal_is_that_of_the_last_frame():
    seen = observe(3)
    problem = make_problem(make_model(history=3), seen)
    torch.testing.assert_close(problem.goal, torch.from_numpy(seen["desired_goal"][:, -1]))


def test_a_short_history_begins_with_its_first_frame_repeated_while_the_agent_stands_still():
    model, seen = make_model(history=4), observe(2)
    taken = np.array([[[0.3, 1.5]], [[-0.3, 0.7]]])
    problem = make_problem(model, seen, taken)
    encoded = model.encode({"observation": torch.from_numpy(seen["observation"]).float()})
    torch.testing.assert_close(problem.context, encoded[:, [0, 0, 0, 1]])
    still = torch.tensor([0.0, 0.5]).expand(2, 2, 2)
    torch.testing.assert_close(problem.past_actions, torch.cat([still, torch.from_numpy(taken).float()], dim=1))


def test_past_actions_that_are_not_given_stand_still():
    problem = make_problem(make_model(history=3), observe(3))
    torch.testing.assert_close(problem.past_actions, torch.tensor([0.0, 0.5]).expand(2, 2, 2))


def test_bounds_hold_for_every_environment_action_of_a_block():
    problem = make_problem(make_model(history=2, block=3), observe(2), np.ones((2, 1, 6)))
    assert problem.low.tolist() == [-1.0, 0.5] * 3
    assert problem.high.tolist() == [1.0, 2.0] * 3
    actions = CEMPlanner(horizon=3, iterations=1, num_samples=4, num_elites=2).plan(problem).actions
    assert actions.shape == (2, 3, 6)


class PixelEncoder(Encoder):
    """Means of pictures, which have to come as they are stored."""

    latent_shape = (3,)
    observation_keys = ("pixels", "observation")
    goal_keys = ("desired_pixels",)

    def encode(self, observations):
        assert observations["pixels"].dtype == torch.uint8
        return observations["pixels"].double().mean((-3, -2)).to(observations["observation"]) / 255

    def encode_goal(self, observations):
        return observations["desired_pixels"].double().mean((-3, -2)) / 255

    def goal_features(self, latent):
        return latent


def test_pictures_stay_bytes_and_everything_else_takes_the_model_s_type():
    model = WorldModel(PixelEncoder(), MLPPredictor(3, 2, (8,))).double().eval()
    picture = np.full((2, 1, 4, 4, 3), 255, np.uint8)
    seen = {"pixels": picture, "desired_pixels": picture, "observation": np.ones((2, 1, 5), np.float32)}
    problem = make_problem(model, seen)
    assert {problem.context.dtype, problem.low.dtype, problem.past_actions.dtype} == {torch.float64}
    assert (problem.context == 1).all()
    assert (problem.goal == 1).all()


def test_tensors_and_inference_mode_do_as_well():
    model, seen = make_model(), observe(1)
    with torch.inference_mode():
        tensors = {key: torch.from_numpy(values) for key, values in seen.items()}
        problem = make_problem(model, tensors, bounds=tuple(map(torch.from_numpy, BOUNDS)), memory_mib=7.0)
        assert problem.memory_mib == 7.0
        plan = CEMPlanner(horizon=3, iterations=1, num_samples=4, num_elites=2).plan(problem)
    assert plan.cost.isfinite().all()


@pytest.mark.parametrize(
    ("model", "seen", "changes", "message"),
    [
        (make_model(), {"observation": np.zeros((2, 1, 3))}, {}, r"reads 'desired_goal', .* have \['observation'\]"),
        (make_model(), observe(2), {}, "looks at 1 to 1 frames, got 2; give it the last ones"),
        (make_model(history=2), observe(0), {}, "looks at 1 to 2 frames, got 0"),
        (
            make_model(history=2),
            observe(2),
            {"past_actions": np.zeros((2, 2, 2))},
            r"\(B, k - 1, A\) = \(2, 1, 2\), model actions between 2 frames, got \(2, 2, 2\)",
        ),
        (make_model(block=2), observe(1), {"bounds": (np.zeros(4), np.ones(4))}, r"of shape \(2,\), got \(4,\)"),
        (
            make_model(),
            observe(1) | {"desired_goal": np.zeros((3, 1, 2))},
            {},
            "of the same tasks and frames",
        ),
    ],
)
def test_what_does_not_fit_the_model_is_named(model, seen, changes, message):
    with pytest.raises(ValueError, match=message):
        make_problem(model, seen, **changes)


def test_a_scale_of_the_data_is_the_model_s_deviations_so_that_the_unit_does_not_matter():
    def cost(scale, unit=1.0):
        model, seen = make_model(), {key: unit * values for key, values in observe(1).items()}
        model.normalizer.set(unit * torch.ones(3), unit * torch.tensor([2.0, 3.0, 4.0]), torch.zeros(2), torch.ones(2))
        problem = PlanningProblem.from_observations(model, Scaled(ReachGoal(0.3), scale), seen, bounds=BOUNDS)
        return problem.cost(torch.linspace(0.5, 1, 2 * 3 * 4 * 2).reshape(2, 3, 4, 2))

    assert torch.equal(cost("data"), cost([2.0, 3.0]))  # the goal is the first two numbers
    assert torch.equal(cost("data"), cost("data", unit=128.0))  # a power of 2, which changes no digit
    assert not torch.allclose(cost([1.0]), cost([1.0], unit=128.0))


def test_a_scale_of_the_data_is_found_inside_a_scale_of_numbers():
    model = make_model()
    model.normalizer.set(torch.ones(3), torch.tensor([2.0, 3.0, 4.0]), torch.zeros(2), torch.ones(2))
    actions = torch.linspace(0.5, 1, 2 * 3 * 4 * 2).reshape(2, 3, 4, 2)
    nested, product = (
        PlanningProblem.from_observations(model, objective, observe(1), bounds=BOUNDS).cost(actions)
        for objective in (Scaled(Scaled(ReachGoal(0.3), "data"), [0.5, 2.0]), Scaled(ReachGoal(0.3), [1.0, 6.0]))
    )
    torch.testing.assert_close(nested, product)


class Twice(Objective):
    """Twice another cost."""

    def __init__(self, objective):
        self.objective = objective

    def __call__(self, predicted, goal, actions):
        return 2 * self.objective(predicted, goal, actions)


def test_a_scale_of_the_data_inside_another_objective_is_refused_with_what_to_do():
    model = make_model()
    model.normalizer.set(torch.ones(3), torch.tensor([2.0, 3.0, 4.0]), torch.zeros(2), torch.ones(2))
    scaled, actions = Scaled(ReachGoal(0.3), "data"), torch.zeros(2, 1, 4, 2)
    problem = PlanningProblem.from_observations(model, Twice(scaled), observe(1), bounds=BOUNDS)
    with pytest.raises(ValueError, match=r"got 'data'; .* only for a Scaled that is the whole objective .* give num"):
        problem.cost(actions)
    told = Twice(scaled.of_data(model.goal_deviations()))
    PlanningProblem.from_observations(model, told, observe(1), bounds=BOUNDS).cost(actions)
