import doctest

import gymnasium as gym
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import gbplan.envs.door_layouts.env
from gbplan.envs import optional_method
from gbplan.envs.contract import MADE_FOR
from gbplan.envs.door_layouts.world import layouts
from gbplan.envs.door_wall.contact import SKIN

ID, PIXELS = "gbplan/DoorLayouts-v0", "gbplan/DoorLayoutsPixels-v0"


def make(**world):
    return gym.make(ID, **world).unwrapped


def walk(env, x, y, wall, door, action, steps=1):
    goal = [1.9, -1.9, wall, door]
    env.reset(options={"state": [x, y, wall, door], "goal": goal})
    for _ in range(steps):
        observation, *_, info = env.step(np.array(action))
    return observation["observation"], info


def test_docstring_example_runs():
    tried = doctest.testmod(gbplan.envs.door_layouts.env)
    assert tried.attempted > 0
    assert tried.failed == 0


def test_a_fifth_of_the_layouts_is_unseen_and_the_rest_has_every_wall_and_every_door():
    seen, unseen, every = (set(map(tuple, layouts(which))) for which in ("seen", "unseen", "all"))
    assert (len(seen), len(unseen), len(every)) == (79, 20, 99)
    assert seen | unseen == every
    for place in (0, 1):
        assert {layout[place] for layout in seen} == {layout[place] for layout in every}
        assert {layout[place] for layout in unseen} == {layout[place] for layout in every}


@pytest.mark.parametrize("which", ["seen", "unseen"])
def test_tasks_are_drawn_in_the_layouts_asked_for_on_both_sides_of_the_wall(which):
    envs = gym.make_vec(ID, num_envs=300, layouts=which, task="detour")
    observation, _ = envs.reset(seed=5)
    state, goal = observation["observation"].astype(np.float64), observation["desired_goal"].astype(np.float64)
    np.testing.assert_array_equal(state[:, 2:], goal[:, 2:])
    drawn, there = set(map(tuple, state[:, 2:])), set(map(tuple, layouts(which)))
    assert drawn <= there
    assert len(drawn) > 0.9 * len(there)
    start_x, goal_x = (of[:, 0] - of[:, 2] for of in (state, goal))
    assert (start_x * goal_x < 0).all()
    assert np.minimum(np.abs(start_x), np.abs(goal_x)).min() >= 0.299
    assert {True, False} == set((start_x > 0).tolist())
    crossing = state[:, 1] + (goal[:, 1] - state[:, 1]) * start_x / (start_x - goal_x)
    assert (np.abs(crossing - state[:, 3]) > 0.599).all()


def test_the_wall_holds_where_it_stands_and_opens_where_its_door_is():
    env = make()
    for wall, door in [(-1.0, 1.25), (0.75, -0.5)]:
        (x, *_), info = walk(env, wall - 0.1, door, wall, door, [1.0, 0.0], steps=2)
        assert x == pytest.approx(wall + 0.1, abs=1e-5)
        assert not info["contact"]
        for beside in (door - 0.501, door + 0.501):
            (x, *_), info = walk(env, wall - 0.1, beside, wall, door, [1.0, 0.0], steps=2)
            assert x == np.float32(wall - SKIN)
            assert info["contact"]


@given(st.integers(0, 98), st.integers(0, 2**32), st.integers(0, 1))
def test_nobody_comes_through_the_wall_but_by_the_door(layout, seed, centred):
    wall, door = layouts("all")[layout]
    envs, rng = gym.make_vec(ID, num_envs=4, continuing_task=True), np.random.default_rng(seed)
    y = np.clip(door + rng.uniform(-0.7, 0.7, 4), -1.99, 1.99)
    state = np.stack([np.full(4, wall + 0.02), y, np.full(4, wall), np.full(4, door)], axis=1)
    observation, _ = envs.reset(options={"state": state, "goal": state})
    for _ in range(20):
        before = observation["observation"].astype(np.float64)
        observation, *_ = envs.step(rng.uniform((-1.0 if centred else -1.2, -1.0), 1.0, (4, 2)))
        after = observation["observation"].astype(np.float64)
        crossed = (before[:, 0] > wall) != (after[:, 0] > wall)
        assert (np.abs((before[:, 1] + after[:, 1]) / 2 - door)[crossed] <= 0.56).all()
        beside = np.abs(after[:, 1] - door) > 0.5
        assert (np.abs(after[:, 0] - wall)[beside] >= SKIN - 1e-6).all()
        assert (after[:, 0] != wall).all()


def test_in_the_layout_of_door_wall_it_goes_as_door_wall_goes():
    rooms, plain = make(continuing_task=True), gym.make("DoorWall-v0", continuing_task=True).unwrapped
    rng = np.random.default_rng(0)
    for _ in range(20):
        observation, _ = plain.reset(seed=int(rng.integers(1000)))
        state, goal = observation["observation"], observation["desired_goal"]
        rooms.reset(options={"state": [*state, 0.0, 0.0], "goal": [*goal, 0.0, 0.0]})
        for action in rng.uniform(-1, 1, (30, 2)):
            one, *_, info = plain.step(action)
            other, *_, same = rooms.step(action)
            np.testing.assert_allclose(other["observation"][:2], one["observation"], atol=1e-5)
            assert same["contact"] == info["contact"]


@pytest.mark.parametrize("task", ["uniform", "detour"])
def test_expert_reaches_every_goal_in_time_about_as_fast_as_can_be(task):
    envs = gym.make_vec(ID, num_envs=400, task=task, continuing_task=True)
    observation, _ = envs.reset(seed=1)
    shortest = envs.unwrapped.shortest_path(observation["observation"], observation["desired_goal"])
    expert, reached = envs.unwrapped.expert(), np.zeros(400, np.bool_)
    for step in range(1, 100):
        observation, _, _, _, infos = envs.step(expert.act(observation))
        fresh = infos["is_success"] & ~reached
        assert (step * 0.1 * 2**0.5 >= shortest[fresh] - 0.1).all()
        reached |= fresh
    assert reached.all()


def test_optional_methods_are_all_but_a_simulator_and_what_would_depend_on_the_episode():
    found = {name for name in MADE_FOR if optional_method(gym.make(ID), name)}
    assert found == set(MADE_FOR) - {"simulator", "background"}


def test_pictures_show_the_layout_and_those_of_goals_the_same_one():
    env = gym.make(PIXELS)
    observation, _ = env.reset(seed=3)
    state, goal = observation["observation"], observation["desired_goal"]
    other = state + np.float32([0.0, 0.0, 0.0, 0.25 if state[3] < 1 else -0.25])
    plain = env.unwrapped.render_state(np.stack([state, other, state]))
    np.testing.assert_array_equal(plain[0], observation["pixels"])
    np.testing.assert_array_equal(plain[2], observation["pixels"])
    assert (plain[1] != plain[0]).any()
    np.testing.assert_array_equal(env.unwrapped.render_goal(goal[None])[0], observation["desired_pixels"])
    fixed = gym.make("DoorWall-v0").unwrapped.render_state(np.float32([[0.5, 0.5]]))
    np.testing.assert_array_equal(env.unwrapped.render_state(np.float32([[0.5, 0.5, 0.0, 0.0]])), fixed)


def test_vector_pictures_are_those_of_the_single_environment():
    one, rows = gym.make(PIXELS), gym.make_vec(PIXELS, num_envs=3)
    observations, _ = rows.reset(seed=7)
    for row in range(3):
        observation, _ = one.reset(seed=7 + row)
        for key, value in observation.items():
            np.testing.assert_array_equal(observations[key][row], value)


def test_what_is_missing_is_drawn_in_the_layout_of_what_is_given():
    env = make(layouts="seen")
    for key in ("state", "goal"):
        observation, info = env.reset(seed=0, options={key: [1.5, 0.0, 0.5, 0.5]})
        assert observation["observation"][2:].tolist() == observation["desired_goal"][2:].tolist() == [0.5, 0.5]
        assert not info["is_success"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"state": [0.0, 0.0]}, r"of shape \(4,\)"),
        ({"state": [1.5, 0.0, 0.1, 0.5]}, "its last two numbers are the wall's x, a quarter of -4..4"),
        ({"goal": [1.5, 0.0, 0.5, 1.5]}, "the door's y, a quarter of -5..5"),
        ({"state": [0.5, 1.5, 0.5, 0.5]}, "keep 0.001 away from the wall"),
        ({"state": [0.5, 0.5, 0.5, 0.5]}, "in the doorway, any x except the wall's own is fine"),
        ({"state": [2.0, 0.0, 0.5, 0.5]}, "keep 0.001 away from the borders"),
        ({"goal": [2.5, 0.0, 0.5, 0.5]}, "keep within the world"),
        ({"state": [1.5, 0.0, 0.5, 0.5], "goal": [0.0, 0.0, 0.5, 0.75]}, "give both the same wall and door"),
    ],
)
def test_wrong_options_say_what_is_wrong(options, message):
    with pytest.raises(ValueError, match=message):
        make().reset(options=options)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"layouts": "train"}, "layouts"),
        ({"task": "far"}, "task"),
        ({"door_half_width": 1.0}, "door_half_width must be at most 0.75, got 1.0"),
        ({"door_half_width": 0.01}, "door_half_width must be at least 0.05"),
        ({"goal_threshold": 0.7}, "goal_threshold"),
        ({"step_size": float("nan")}, "step_size"),
    ],
)
def test_wrong_arguments_say_what_is_wrong(arguments, message):
    with pytest.raises(ValueError, match=message):
        make(**arguments)


def test_what_cannot_be_drawn_is_refused():
    with pytest.raises(ValueError, match=r"states to draw must have shape \(N, 4\), got \(1, 2\)"):
        make().render_state(np.zeros((1, 2)))
