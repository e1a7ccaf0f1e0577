import doctest

import gymnasium as gym
import numpy as np
import pytest

import gbplan.envs.rope.env
from gbplan.data import make_vector_env, run_episodes
from gbplan.envs import optional_method
from gbplan.envs.contract import MADE_FOR
from gbplan.policies import ExpertPolicy
from gbplan.seeds import HELD_OUT_SEEDS, episode_seeds

ID = "gbplan/Rope-v0"
STRAIGHT = np.stack([0.02 * np.arange(-10, 11), np.zeros(21)], axis=1)  # along x, through the middle
ABOVE = STRAIGHT + np.array([0.0, 0.1])


def make(**world):
    return gym.make(ID, **world).unwrapped


def begin(state=STRAIGHT, goal=ABOVE, **world):
    env = make(**world)
    return env, *env.reset(seed=0, options={"state": np.ravel(state), "goal": np.ravel(goal)})


def test_docstring_example_runs():
    tried = doctest.testmod(gbplan.envs.rope.env)
    assert tried.attempted > 0
    assert tried.failed == 0


def test_optional_methods_are_all_but_paths_walls_and_a_differentiable_simulator_with_an_expert_of_segments_only():
    absent = {"shortest_path", "simulator", "background"}
    assert {name for name in MADE_FOR if optional_method(gym.make(ID), name)} == set(MADE_FOR) - absent
    assert optional_method(gym.make(ID, task="shape"), "expert") is None


def test_shape_given_is_the_one_observed_and_its_distance_is_known():
    _, observation, info = begin()
    np.testing.assert_allclose(observation["achieved_goal"], STRAIGHT.ravel(), atol=1e-7)
    np.testing.assert_array_equal(observation["features"], observation["achieved_goal"])
    assert info == {"is_success": False, "distance": pytest.approx(0.1), "contact": False}
    _, observation, _ = begin([*STRAIGHT, [0.1, -0.2]], action="small")
    np.testing.assert_array_equal(observation["features"][42:], np.float32([0.1, -0.2]))


def test_push_moves_the_rope_along_it_where_it_is_pushed():
    env, before, _ = begin()
    observation, _, _, _, info = env.step(np.array([0.0, -0.2, 0.0, 0.2]))  # from y = -0.08 to 0.08
    moved = (observation["achieved_goal"] - before["achieved_goal"]).reshape(21, 2)
    assert info["contact"]
    assert 0.08 < moved[10, 1] < 0.13  # further than the tip by the two radii, at most
    assert moved[10, 1] > moved[[0, 20], 1].max() + 0.01
    assert np.abs(moved[10, 0]) < 0.005


def test_push_that_misses_or_has_no_length_moves_nothing():
    env, before, _ = begin()
    for push in ([0.9, -0.5, 0.9, 0.5], [0.0, 0.0, 0.0, 0.0]):
        observation, _, _, _, info = env.step(np.array(push))
        assert not info["contact"]
        np.testing.assert_allclose(observation["achieved_goal"], before["achieved_goal"], atol=1e-3)


def test_push_that_begins_on_the_rope_begins_behind_it():
    env, before, _ = begin()
    observation, _, _, _, info = env.step(np.array([0.0, 0.0, 0.0, 0.2]))
    moved = (observation["achieved_goal"] - before["achieved_goal"]).reshape(21, 2)
    assert info["contact"]
    assert 0.08 < moved[10, 1] < 0.13


def test_small_steps_lead_the_tip_by_up_to_two_centimetres_and_keep_it_within_reach():
    env, observation, _ = begin([*STRAIGHT, [0.3, -0.3]], action="small")
    for _ in range(8):
        tip = observation["features"][42:]
        observation, *_ = env.step(np.array([1.0, 0.0]))
    assert observation["features"][42] == pytest.approx(0.4, abs=0.01)
    assert observation["features"][42] >= tip[0] - 1e-3
    env, observation, _ = begin([*STRAIGHT, [0.0, -0.3]], action="small")
    for _ in range(5):
        observation, *_ = env.step(np.array([0.0, 1.0]))
    assert -0.25 < observation["features"][43] < -0.2  # the tip lags behind


def test_success_is_nearer_than_the_threshold_and_ends_the_episode_unless_the_task_continues():
    for threshold, near in ((0.03, True), (0.02, False)):
        for continuing in (False, True):
            env, *_ = begin(
                goal=STRAIGHT + np.array([0.0, 0.025]), goal_threshold=threshold, continuing_task=continuing
            )
            _, reward, terminated, _, info = env.step(np.zeros(4))
            assert info["is_success"] is near
            assert reward == (0.0 if near else -1.0)
            assert terminated is (near and not continuing)


@pytest.mark.parametrize("action", ["push", pytest.param("small", marks=pytest.mark.slow)])
def test_expert_of_segments_reaches_every_goal_exactly(action):
    envs = make_vector_env(ID, 2, {"action": action, "continuing_task": True, "max_episode_steps": 50})
    seeds = episode_seeds(HELD_OUT_SEEDS, 3, 2)
    drawn, infos = envs.reset(seed=seeds)
    assert (infos["distance"] >= 0.03).all()
    # As evaluations do it: the tasks again, set with their seeds.
    tasks = {"states": drawn["observation"], "goals": drawn["desired_goal"]}
    steps = 3 if action == "push" else 50
    episodes = run_episodes(envs, ExpertPolicy(), seeds=seeds, **tasks, max_steps=steps)
    last = episodes.starts + steps
    np.testing.assert_array_equal(
        episodes.observations["achieved_goal"][last], episodes.observations["desired_goal"][last]
    )
    assert episodes.infos["is_success"][last].all()


def test_expert_names_the_task_it_cannot_solve():
    envs = make_vector_env(ID, 2, {"segment_steps": 1})
    tasks = {"states": [STRAIGHT.ravel()] * 2, "goals": [ABOVE.ravel()] * 2}
    with pytest.raises(ValueError, match="segments that gbplan/Rope-v0 drew, and the task of row 0 was given to it"):
        run_episodes(envs, ExpertPolicy(), seeds=[5, 6], **tasks)


def test_segment_that_does_not_move_the_rope_is_refused():
    env = make(action="small", segment_steps=1)
    with pytest.raises(ValueError, match="found no segment of 1 steps that moves the rope from the given state"):
        env.reset(seed=0, options={"state": np.append(STRAIGHT.ravel(), [0.39, 0.39])})


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"action": "pull"}, ValueError, r"action must be one of \['push', 'small'\], got 'pull'"),
        ({"segment_steps": 0}, ValueError, r"segment_steps must lie in 1\.\.200, got 0"),
        ({"segment_steps": 2.5}, TypeError, "segment_steps must be a whole number, got 2.5"),
    ],
)
def test_wrong_arguments_are_refused_by_name(arguments, error, message):
    with pytest.raises(error, match=message):
        make(**arguments)
