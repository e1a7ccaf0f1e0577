from contextlib import closing

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.envs.registration import EnvSpec
from gymnasium.spaces import Box, Dict
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode

from gbplan.data import make_vector_env
from gbplan.envs import PixelObservation, PixelVectorObservation, optional_method
from gbplan.envs.contract import MADE_FOR, require_contract

ID = "DoorWallPixels-v0"


def same(one, other):
    assert set(one) == set(other)
    for key, values in one.items():
        assert values.dtype == other[key].dtype
        np.testing.assert_array_equal(values, other[key], err_msg=key)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("arguments", [{}, {"channels_first": True, "size": 40}])
def test_environment_is_valid_and_keeps_the_contract(arguments):
    check_env(gym.make(ID, **arguments).unwrapped, skip_render_check=True)
    with closing(gym.make(ID, **arguments)) as env:
        observation, _ = env.reset(seed=0)
        assert observation in env.observation_space
        assert env.step(env.action_space.sample())[0] in env.observation_space
    assert require_contract(ID, arguments) == 100


def test_pictures_are_those_of_state_and_goal_and_the_rest_stays():
    env, plain = gym.make(ID, door_center=0.5, size=32), gym.make("DoorWall-v0", door_center=0.5)
    first = gym.make(ID, door_center=0.5, size=32, channels_first=True)
    draw = plain.unwrapped.render_state
    for step in range(4):
        if step == 0:
            seen, without, other = (each.reset(seed=3)[0] for each in (env, plain, first))
        else:
            action = np.float32([0.5, -1.0])
            seen, without, other = (each.step(action)[0] for each in (env, plain, first))
        pixels, desired_pixels = draw(without["observation"][None], 32)[0], draw(without["desired_goal"][None], 32)[0]
        same(seen, without | {"pixels": pixels, "desired_pixels": desired_pixels})
        np.testing.assert_array_equal(other["pixels"], pixels.transpose(2, 0, 1))
        np.testing.assert_array_equal(other["desired_pixels"], desired_pixels.transpose(2, 0, 1))


def test_goal_is_drawn_once_an_episode():
    drawn = []

    class Counts(gym.Wrapper):
        def render_goal(self, goals, size):
            drawn.append(len(goals))
            return self.env.unwrapped.render_goal(goals, size)

    env = PixelObservation(Counts(gym.make("DoorWall-v0")))
    for seed in range(2):
        env.reset(seed=seed)
        before = env.step(env.action_space.sample())[0]["desired_pixels"]
        before[:] = 0  # what is handed out is the caller's
        assert env.step(env.action_space.sample())[0]["desired_pixels"].any()
    assert drawn == [1, 1]


@pytest.mark.parametrize("arguments", [{}, {"dynamics": "velocity", "observation_noise": 0.02, "channels_first": True}])
def test_rows_are_single_environments(arguments):
    native = make_vector_env(ID, 3, arguments)
    assert isinstance(native, PixelVectorObservation)
    sync = gym.make_vec(
        ID, 3, vectorization_mode="sync", vector_kwargs={"autoreset_mode": AutoresetMode.DISABLED}, **arguments
    )
    singles = [gym.make(ID, **arguments) for _ in range(3)]
    rows, _ = native.reset(seed=5)
    same(rows, sync.reset(seed=5)[0])
    seen = [env.reset(seed=5 + i)[0] for i, env in enumerate(singles)]
    for action in np.random.default_rng(0).uniform(-1, 1, (6, 3, 2)).astype(np.float32):
        for i in range(3):
            same({key: values[i] for key, values in rows.items()}, seen[i])
        rows = native.step(action)[0]
        seen = [env.step(action[i])[0] for i, env in enumerate(singles)]
    assert rows in native.observation_space
    goals = rows["desired_pixels"]
    rows, _ = native.reset(seed=9, options={"reset_mask": np.array([False, True, False])})
    assert [(rows["desired_pixels"][i] != goals[i]).any() for i in range(3)] == [False, True, False]


def test_specification_makes_the_same_environment_again():
    for env in (gym.make(ID, size=16, door_center=0.5), PixelObservation(gym.make("DoorWall-v0"), 16, True)):
        for spec in (env.spec, EnvSpec.from_json(env.spec.to_json())):
            with closing(gym.make(spec)) as again:
                assert again.observation_space == env.observation_space
                same(again.reset(seed=1)[0], env.reset(seed=1)[0])


def test_optional_methods_stay_usable_behind_the_pictures():
    for env in (gym.make(ID), make_vector_env(ID, 2)):
        assert all(optional_method(env, name) is not None for name in MADE_FOR)
    envs = make_vector_env(ID, 8)
    observation, _ = envs.reset(seed=0)
    expert = optional_method(envs, "expert")()
    solved = np.zeros(8, np.bool_)
    while not solved.all():
        observation, _, over, cut, info = envs.step(expert.act(observation))
        solved |= info["is_success"]
        assert not (cut & ~solved).any()
        if not solved.all() and over.any():
            envs.reset(options={"reset_mask": over | cut})


class Blind(gym.Env):
    """Draws its states, if at all, but not its goals."""

    def __init__(self, picture=None, render_mode=None):
        box = Box(-1, 1, (1,), np.float32)
        self.observation_space = Dict(observation=box, achieved_goal=box, desired_goal=box)
        self.action_space = box
        self.render_state = None if picture is None else lambda states, size: np.stack([picture] * len(states))

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return {key: np.zeros(1, np.float32) for key in ("observation", "achieved_goal", "desired_goal")}, {}


def test_environment_that_draws_no_goals_has_no_pictures_of_them():
    env = PixelObservation(Blind(np.full((8, 8, 3), 7, np.uint8)), size=8)
    assert set(env.observation_space) == {"observation", "achieved_goal", "desired_goal", "pixels"}
    assert (env.reset()[0]["pixels"] == 7).all()


def test_what_cannot_be_wrapped_is_refused_in_one_line():
    with pytest.raises(ValueError, match=r"Blind has no render_state\(states, size\) .*AddRenderObservation"):
        PixelObservation(Blind())
    with pytest.raises(ValueError, match="CartPole-v1 has no render_state"):
        PixelVectorObservation(gym.make_vec("CartPole-v1", 2, vectorization_mode="sync"))
    with pytest.raises(ValueError, match="DoorWallPixels-v0 has 'pixels' in its observations already"):
        PixelObservation(gym.make(ID))
    with pytest.raises(
        ValueError, match=r"Blind must draw uint8 pictures of shape \(1, 8, 8, 3\), got uint8 \(1, 4, 4, 3\)"
    ):
        PixelObservation(Blind(np.zeros((4, 4, 3), np.uint8)), size=8).reset()
    same_step = {"autoreset_mode": AutoresetMode.SAME_STEP}
    with pytest.raises(ValueError, match="autoreset_mode"):
        PixelVectorObservation(gym.make_vec("DoorWall-v0", 2, vectorization_mode="sync", vector_kwargs=same_step))
