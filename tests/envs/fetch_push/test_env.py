import doctest
import os
import subprocess
import sys

import gymnasium as gym
import numpy as np
import pytest

import gbplan.envs.fetch_push.env
from gbplan.envs import optional_method
from gbplan.envs.contract import MADE_FOR
from gbplan.envs.fetch_push.states import LYING

ID = "gbplan/FetchPush-v0"


def make(**world):
    return gym.make(ID, **world).unwrapped


def begin(state, goal, **world):
    env = make(**world)
    return env, *env.reset(seed=0, options={"state": state, "goal": goal})


def drawn(env):
    """Return the picture of an episode; skip the test where there is no OpenGL."""
    try:
        return env.render()
    except gym.error.DependencyNotInstalled as error:
        pytest.skip(str(error))


def test_docstring_example_runs():
    tried = doctest.testmod(gbplan.envs.fetch_push.env)
    assert tried.attempted > 0
    assert tried.failed == 0


def test_optional_methods_are_all_but_paths_and_a_differentiable_simulator():
    absent = {"shortest_path", "simulator"}
    assert {name for name in MADE_FOR if optional_method(gym.make(ID), name)} == set(MADE_FOR) - absent


def test_short_options_put_the_cube_on_the_table_and_the_robot_where_episodes_begin():
    _, observation, info = begin([1.3, 0.6], [1.4, 0.8])
    cube = np.float32([1.3, 0.6, LYING])
    np.testing.assert_array_equal(observation["achieved_goal"], cube)
    np.testing.assert_array_equal(observation["features"][3:6], cube)
    np.testing.assert_array_equal(observation["desired_goal"], np.float32([1.4, 0.8, LYING]))
    np.testing.assert_allclose(observation["features"][:3], [1.3455, 0.749, 0.4136], atol=1e-3)
    assert info == {"is_success": False, "distance": pytest.approx(np.hypot(0.1, 0.2)), "contact": False}


def test_gripper_goes_along_the_axes_and_the_fourth_action_does_nothing():
    env, observation, _ = begin([1.25, 0.6], [1.4, 0.8])
    other, *_ = begin([1.25, 0.6], [1.4, 0.8])
    before = observation["features"][:3]
    for _ in range(4):
        observation, *_ = env.step(np.array([0.0, 0.5, 1.0, 1.0]))
        same, *_ = other.step(np.array([0.0, 0.5, 9.0, -1.0]))
    np.testing.assert_array_equal(observation["observation"], same["observation"])
    x, y, z = observation["features"][:3] - before
    assert abs(x) < 0.01
    assert 0.05 < y < 0.11
    assert z > 0.1


def test_cube_moves_only_when_pushed_and_contact_says_so():
    env, observation, _ = begin([1.345, 0.85], [1.4, 0.8])
    cube = observation["achieved_goal"]
    observation, _, _, _, info = env.step(np.zeros(4))
    assert not info["contact"]
    np.testing.assert_allclose(observation["achieved_goal"], cube, atol=1e-3)
    touched = False
    for _ in range(5):  # straight at it
        observation, _, _, _, info = env.step(np.array([0.0, 1.0, 0.0, 0.0]))
        touched |= info["contact"]
    assert touched
    assert observation["achieved_goal"][1] > cube[1] + 0.02


def test_success_is_nearer_than_the_threshold_and_ends_the_episode_unless_the_task_continues():
    for threshold, near in ((0.05, True), (0.03, False)):
        for continuing in (False, True):
            arguments = {"goal_threshold": threshold, "continuing_task": continuing}
            env, *_ = begin([1.25, 0.6], [1.29, 0.6], **arguments)
            _, reward, terminated, _, info = env.step(np.zeros(4))
            assert info["is_success"] is near
            assert reward == (0.0 if near else -1.0)
            assert terminated is (near and not continuing)


def test_picture_shows_the_goal_and_that_of_a_state_does_not():
    env, observation, _ = begin([1.3, 0.6], [1.4, 0.8], render_mode="rgb_array")
    picture = drawn(env)
    plain = env.render_state(observation["observation"][None], 256)[0]
    changed = (picture != plain).any(axis=2).sum()
    assert 10 < changed < 1000


def test_picture_of_a_goal_shows_the_cube_around_the_goal_and_no_robot():
    env, observation, _ = begin([1.3, 0.6], [1.4, 0.8], render_mode="rgb_array")
    with_ball = drawn(env)
    plain = env.render_state(observation["observation"][None], 256)[0]
    goal, other = env.render_goal([observation["desired_goal"], [1.2, 0.65, LYING]], 256)
    ball, cube = ((one != another).any(axis=2) for one, another in ((with_ball, plain), (goal, other)))
    assert cube[ball].all()  # the ball at the goal is narrower than the cube
    blue = [(picture @ [-1.0, 0.0, 1.0] > 50).sum() for picture in (plain, goal)]  # the links of the arm
    assert blue[0] > 500
    assert blue[1] == 0


def test_pictures_before_and_after_that_of_a_goal_are_equal():
    env, observation, _ = begin([1.3, 0.6], [1.4, 0.8], render_mode="rgb_array")
    before = drawn(env)
    env.render_goal(observation["desired_goal"][None], 256)
    np.testing.assert_array_equal(env.render(), before)


def test_without_opengl_one_line_says_what_to_install(monkeypatch):
    def context(width, height):
        raise RuntimeError("no screen")

    monkeypatch.setattr(pytest.importorskip("mujoco"), "GLContext", context, raising=False)
    env, *_ = begin([1.3, 0.6], [1.4, 0.8], render_mode="rgb_array")
    with pytest.raises(gym.error.DependencyNotInstalled) as error:
        env.render()
    assert str(error.value) == (
        "gbplan/FetchPush-v0 is drawn by MuJoCo, which finds no OpenGL here (RuntimeError); install libosmesa6 and set "
        "MUJOCO_GL=osmesa before Python starts"
    )


def test_without_opengl_drawing_fails_again_in_one_line():
    program = (
        "import gymnasium as gym, gbplan\n"
        f"env = gym.make('{ID}', render_mode='rgb_array'); env.reset()\n"
        "for _ in range(2):\n"
        "    try: env.render()\n"
        "    except gym.error.DependencyNotInstalled as error: print(error)"
    )
    kept = {name: value for name, value in os.environ.items() if name not in ("DISPLAY", "WAYLAND_DISPLAY")}
    done = subprocess.run(
        [sys.executable, "-c", program], env=kept | {"MUJOCO_GL": "glfw"}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    if not done.stdout:
        pytest.skip("GLFW draws without a screen")
    first, second = done.stdout.splitlines()
    assert first == second
    assert "which finds no OpenGL here" in first


def test_what_cannot_be_drawn_is_refused():
    with pytest.raises(ValueError, match=r"states to draw must have shape \(N, 43\), got \(3,\)"):
        make().render_state(np.zeros(3))
    with pytest.raises(ValueError, match="size must be a whole number of pixels, at least 8, got 4"):
        make().render_state(np.zeros((1, 43)), 4)
    with pytest.raises(ValueError, match=r"goals to draw must have shape \(N, 3\), got \(3,\)"):
        make().render_goal(np.zeros(3))
