import gymnasium as gym
import numpy as np
import pytest

from gbplan.envs.door_wall.in_world import InWorld
from gbplan.envs.door_wall.world import World


class Place(InWorld):
    def __init__(self, **world):
        self.world = World(**world)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"dynamics": "speed"}, r"dynamics must be one of 'position', 'velocity', got 'speed'"),
        ({"contact": "bounce"}, r"contact must be one of 'slide', 'stop', got 'bounce'"),
        ({"reward_type": "shaped"}, r"reward_type must be one of .* got 'shaped'"),
        ({"task": "easy"}, r"task must be one of .* got 'easy'"),
        ({"step_size": 0.0}, r"step_size must be in \(0, 4.0\], got 0.0"),
        ({"step_size": float("nan")}, r"step_size must be finite, got nan"),
        ({"max_speed": -1.0}, r"max_speed must be in"),
        ({"acceleration": 0.0}, r"acceleration must be in"),
        ({"damping": 1.5}, r"damping must be in \[0, 1\], got 1.5"),
        ({"process_noise": -0.1}, r"process_noise is a standard deviation"),
        ({"observation_noise": float("inf")}, r"observation_noise must be finite"),
        ({"goal_threshold": 0.6}, r"goal_threshold must be in \[0.01, 0.6\), got 0.6"),
        ({"goal_threshold": 0.0}, r"goal_threshold must be in"),
        ({"door_half_width": 0.04}, r"door_half_width must be at least 0.05, got 0.04"),
        ({"door_center": 1.6}, r"the door must lie within the borders .* got \[1.1, 2.1\]"),
        ({"task": "detour", "door_half_width": 1.9}, r"task='detour' needs a stretch of wall .* use task='uniform'"),
    ],
)
def test_argument_outside_its_range_is_refused_by_name(arguments, message):
    with pytest.raises(ValueError, match=message):
        World(**arguments)


@pytest.mark.parametrize("arguments", [{"step_size": "0.1"}, {"door_center": True}, {"continuing_task": 1}])
def test_argument_of_another_type_is_refused_by_name(arguments):
    with pytest.raises(TypeError, match=next(iter(arguments))):
        World(**arguments)


def test_numbers_become_plain_floats():
    world = World(step_size=np.float32(0.5), door_center=np.int64(1))
    assert type(world.step_size) is float
    assert type(world.door_center) is float


def test_shortest_path_is_straight_on_one_side_and_through_the_door():
    place = Place()
    assert place.shortest_path([-1.0, 1.0], [-1.0, -1.0]) == pytest.approx(2.0)
    assert place.shortest_path([-0.3, 0.0], [0.3, 0.8]) == pytest.approx(1.0)  # crosses at 0.4


def test_shortest_path_bends_at_the_edge_of_the_door():
    # Twice the hypotenuse of 0.3 and 0.4.
    assert Place().shortest_path([-0.3, 0.9], [0.3, 0.9]) == pytest.approx(1.0)
    assert Place(door_center=1.0).shortest_path([-0.3, 0.1], [0.3, 0.1]) == pytest.approx(1.0)


def test_shortest_path_works_over_leading_axes_and_ignores_the_velocity():
    states = np.tile([-0.3, 0.9, 0.1, 0.1], (5, 3, 1))
    np.testing.assert_allclose(Place().shortest_path(states, [0.3, 0.9]), np.ones((5, 3)))


def test_reward_and_ends_are_vectorised_over_leading_axes():
    achieved = np.zeros((2, 3, 2), np.float32)
    desired = np.zeros((2, 3, 2), np.float32)
    desired[0, :, 0] = [0.05, 0.1, 0.2]  # float32(0.1) is just above 0.1: not reached
    place = Place()
    np.testing.assert_array_equal(place.compute_reward(achieved, desired, {}), [[0, -1, -1], [0, 0, 0]])
    np.testing.assert_array_equal(place.compute_terminated(achieved, desired, {})[0], [True, False, False])
    assert not place.compute_truncated(achieved, desired, {}).any()
    np.testing.assert_array_equal(Place(reward_type="dense").compute_reward(achieved, desired, {}), -desired[..., 0])
    assert not Place(continuing_task=True).compute_terminated(achieved, desired, {}).any()


def test_background_leaves_the_door_open():
    segments = gym.make("gbplan:DoorWall-v0", door_center=0.5, door_half_width=0.25).unwrapped.background()
    assert segments.shape == (6, 2, 2)
    assert segments[0].tolist() == [[0, -2], [0, 0.25]]
    assert segments[1].tolist() == [[0, 0.75], [0, 2]]
