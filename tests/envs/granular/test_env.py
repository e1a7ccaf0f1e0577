import doctest

import gymnasium as gym
import numpy as np
import pytest

import gbplan.envs.granular.env
from gbplan.data import make_vector_env, run_episodes
from gbplan.envs import GranularPusherPolicy, optional_method
from gbplan.envs.contract import MADE_FOR
from gbplan.policies import ConstantPolicy, ExpertPolicy, RandomPolicy
from gbplan.seeds import HELD_OUT_SEEDS, episode_seeds

ID = "gbplan/Granular-v0"
GRID = np.stack(np.meshgrid(0.05 * np.arange(6), 0.05 * np.arange(5)), axis=-1).reshape(30, 2)
ABOVE = GRID + np.array([0.0, 0.02])


def make(**world):
    return gym.make(ID, **world).unwrapped


def begin(state=GRID, goal=ABOVE, **world):
    env = make(**world)
    return env, *env.reset(seed=0, options={"state": np.ravel(state), "goal": np.ravel(goal)})


def run(policy, count, **world):
    """Run a policy for six pushes on held-out tasks, and return contacts and least distances to goals."""
    envs = make_vector_env(ID, count, {"continuing_task": True, "max_episode_steps": 6, **world})
    episodes = run_episodes(envs, policy, seeds=episode_seeds(HELD_OUT_SEEDS, 0, count))
    contact, distance = (episodes.infos[name].reshape(count, 7) for name in ("contact", "distance"))
    return contact[:, 1:], distance.min(axis=1)


def test_docstring_example_runs():
    tried = doctest.testmod(gbplan.envs.granular.env)
    assert tried.attempted > 0
    assert tried.failed == 0


def test_optional_methods_are_those_of_the_rope_with_an_expert_of_segments_only():
    absent = {"shortest_path", "simulator", "background"}
    assert {name for name in MADE_FOR if optional_method(gym.make(ID), name)} == set(MADE_FOR) - absent
    assert optional_method(gym.make(ID, task="shape"), "expert") is None


def test_distance_is_known_and_does_not_depend_on_the_order_of_discs():
    _, observation, info = begin()
    np.testing.assert_array_equal(observation["observation"], GRID.ravel().astype(np.float32))
    assert info == {"is_success": False, "distance": pytest.approx(0.02), "contact": False}
    _, _, info = begin(goal=GRID[np.random.default_rng(0).permutation(30)])
    assert info == {"is_success": True, "distance": 0.0, "contact": False}


def test_success_is_nearer_than_the_threshold_and_ends_the_episode_unless_the_task_continues():
    for threshold, near in ((0.025, True), (0.015, False)):
        for continuing in (False, True):
            env, *_ = begin(goal_threshold=threshold, continuing_task=continuing)
            _, reward, terminated, _, info = env.step(np.zeros(4))
            assert info["is_success"] is near
            assert reward == (0.0 if near else -1.0)
            assert terminated is (near and not continuing)


def test_expert_reaches_every_goal_exactly_and_neither_nothing_nor_random_pushes_reach_one():
    _, least = run(ExpertPolicy(), 3)
    np.testing.assert_array_equal(least, 0.0)
    for policy in (ConstantPolicy([0.0] * 4), RandomPolicy(), GranularPusherPolicy()):
        _, least = run(policy, 3)
        assert (least > 0.015).all()


def test_expert_names_the_task_it_cannot_solve():
    envs = make_vector_env(ID, 1, {})
    with pytest.raises(ValueError, match="segments that gbplan/Granular-v0 drew, and the task of row 0 was given"):
        run_episodes(envs, ExpertPolicy(), seeds=[5], states=[GRID.ravel()], goals=[ABOVE.ravel()])


def test_segment_that_does_not_move_the_discs_is_refused():
    env = make(segment_steps=1, goal_threshold=0.1)
    with pytest.raises(ValueError, match="found no segment of 1 steps that moves the discs from the given state"):
        env.reset(seed=0, options={"state": GRID.ravel() + 1.2})  # out of the bar's reach


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"friction": -1.0}, ValueError, r"friction must lie in 0\.\.10, got -1"),
        ({"damping": 0.5}, ValueError, r"damping must lie in 0\.\.0\.1, got 0\.5"),
        ({"damping": "much"}, TypeError, "damping must be a number, got 'much'"),
        ({"segment_steps": 0}, ValueError, r"segment_steps must lie in 1\.\.50, got 0"),
        ({"segment_steps": 2.5}, TypeError, "segment_steps must be a whole number, got 2.5"),
    ],
)
def test_wrong_arguments_are_refused_by_name(arguments, error, message):
    with pytest.raises(error, match=message):
        make(**arguments)
