import copy
from itertools import permutations, product

import numpy as np
import pytest
import torch

from gbplan.envs.fetch_push.physics import euler_angles
from gbplan.networks import PushedCubeEncoder, PushedCubePredictor, WorldModel
from gbplan.networks.pushed_cube import orientation

STEPS = 2


@pytest.fixture
def model():
    torch.manual_seed(0)
    predictor = PushedCubePredictor(STEPS, hidden_sizes=[16, 16])
    model = WorldModel(PushedCubeEncoder(), predictor, action_block=STEPS, normalize="channel").double()
    model.normalizer.set(
        torch.tensor([1.3, 0.7, 0.45]),
        torch.tensor([0.09, 0.08, 0.03]),
        torch.tensor([0.1, 0.0, -0.1, 0.0]),
        torch.tensor([0.5, 0.4, 0.3, 0.6]),
    )
    return model


def drawn(rows=3):
    generator = torch.Generator().manual_seed(1)
    points = torch.tensor([1.3, 0.75, 0.45]) + 0.05 * torch.randn(rows, 1, 5, 3, generator=generator)
    return points.double(), torch.randn(rows, 1, 4 * STEPS, generator=generator).double()


def outcome(model, points, actions):
    """Points after a block of steps, m."""
    return model.normalizer.restore(model.step(model.normalizer.standardize(points), actions))


def features(**given):
    numbers = torch.zeros(25, dtype=torch.float64)
    places = {"gripper": 0, "cube": 3, "angles": 11, "relative_speed": 14, "gripper_speed": 20}
    for name, values in given.items():
        numbers[places[name] : places[name] + 3] = torch.tensor(values, dtype=torch.float64)
    return numbers


def test_points_are_places_and_where_speeds_lead_in_a_step():
    seen = features(
        gripper=[1.2, 0.7, 0.42],
        cube=[1.3, 0.8, 0.425],
        gripper_speed=[0.02, 0.0, -0.01],
        relative_speed=[-0.01, 0.005, 0.01],  # the cube's less the gripper's
        angles=[0.0, 0.0, np.pi / 4],
    )
    points = PushedCubeEncoder(turn=0.03).encode({"features": seen})
    expected = [[1.2, 0.7, 0.42], [1.22, 0.7, 0.41], [1.3, 0.8, 0.425], [1.31, 0.805, 0.425], [1.27, 0.8, 0.425]]
    torch.testing.assert_close(points, torch.tensor(expected, dtype=torch.float64))


def test_the_goal_is_the_cubes_middle_in_metres(model):
    points, _ = drawn()
    standardised = model.normalizer.standardize(points[:, 0])
    torch.testing.assert_close(model.goal_features(standardised), points[:, 0, 2])
    goal = torch.tensor([[1.4, 0.8, 0.425]])
    assert model.encode_goal({"desired_goal": goal}) is goal


def test_orientation_is_the_same_for_each_of_the_24_turns_of_a_cube_onto_itself():
    cos, sin = np.cos(0.3), np.sin(0.3)
    yawed = np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])
    signed = [
        np.diag(signs)[:, list(order)] for order in permutations(range(3)) for signs in product([1, -1], repeat=3)
    ]
    turns = [turn for turn in signed if np.linalg.det(turn) > 0]
    angles = torch.tensor(np.array([euler_angles(yawed @ turn) for turn in turns]))
    expected = torch.tensor([np.cos(1.2), np.sin(1.2), 0.0]).expand(24, 3)
    torch.testing.assert_close(orientation(angles), expected, rtol=0, atol=1e-9)


def test_a_tilted_cube_is_not_upright():
    assert orientation(torch.tensor([0.5, 0.0, 0.0]))[2] < -0.2


def test_a_push_shifted_with_the_cube_has_the_same_outcome_shifted(model):
    points, actions = drawn()
    shift = torch.tensor([0.2, -0.1, 0.0], dtype=torch.float64)
    moved = outcome(model, points, actions)
    assert (moved - points[:, 0]).abs().amax((1, 2)).min() > 1e-3
    torch.testing.assert_close(outcome(model, points + shift, actions), moved + shift)


def test_a_cube_at_rest_stays_where_the_gripper_does_not_come_near(model):
    points, actions = drawn()
    points[..., 3, :] = points[..., 2, :]  # at rest
    points[..., :2, 0] -= 0.3
    moved = outcome(model, points, actions) - points[:, 0]
    torch.testing.assert_close(moved[:, 2:], torch.zeros(3, 3, 3, dtype=torch.float64), rtol=0, atol=1e-9)
    assert (moved[:, 0].norm(dim=1) > 1e-3).all()


def test_height_above_the_table_matters(model):
    points, actions = drawn()
    lifted = points + torch.tensor([0.0, 0.0, 0.05], dtype=torch.float64)
    change = outcome(model, lifted, actions) - lifted[:, 0] - (outcome(model, points, actions) - points[:, 0])
    assert change.abs().amax((1, 2)).min() > 1e-4


def test_all_of_an_action_but_its_fourth_number_moves_something(model):
    points, actions = drawn(1)
    gradient = torch.autograd.functional.jacobian(lambda a: outcome(model, points, a), actions)
    felt = gradient.abs().amax((0, 1, 2)).view(STEPS, 4)
    assert (felt[:, :3] > 1e-6).all()
    assert not felt[:, 3].any()


def test_a_copy_reads_its_own_normaliser(model):
    given, other = drawn(), copy.deepcopy(model)
    before = outcome(other, *given)
    normalizer = model.normalizer
    action = (part[:4] for part in (normalizer.action_mean, normalizer.action_std))
    normalizer.set(normalizer.latent_mean, 2 * normalizer.latent_std, *action)
    torch.testing.assert_close(outcome(other, *given), before)
    assert not any("units" in name for name in model.state_dict())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"steps": 0}, "steps must be at least 1"),
        ({"hidden_sizes": [8, 0]}, "hidden_sizes must be at least 1"),
        ({"activation": "sine"}, "activation must be"),
        ({"unit": 0.0}, "unit must be positive"),
        ({"reach": [0.05, 0.0, 0.05]}, "reach must be positive"),
        ({"reach": [0.05, 0.05]}, "reach must be three numbers"),
    ],
)
def test_a_number_out_of_range_is_named(changes, message):
    with pytest.raises(ValueError, match=message):
        PushedCubePredictor(**{"steps": STEPS, **changes})


def test_points_must_share_their_moments():
    with pytest.raises(ValueError, match="needs normalize='channel', got 'dimension'"):
        WorldModel(PushedCubeEncoder(), PushedCubePredictor(STEPS), action_block=STEPS)


def test_the_turned_point_is_apart_from_the_cube():
    with pytest.raises(ValueError, match="turn must be positive"):
        PushedCubeEncoder(turn=0.0)
