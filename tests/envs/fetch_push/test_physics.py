import gymnasium as gym
import numpy as np
import pytest

from gbplan.envs.fetch_push import FetchPusherPolicy
from gbplan.envs.fetch_push.physics import Physics, euler_angles


@pytest.fixture(scope="module")
def theirs():
    """The environment of gymnasium-robotics."""
    robotics = pytest.importorskip("gymnasium_robotics")
    gym.register_envs(robotics)
    env = gym.make("FetchPush-v4").unwrapped
    env.reset(seed=0)
    return env


def put(env, state):
    env.data.qpos[:], env.data.qvel[:] = state[:22], state[22:]
    env.data.qacc_warmstart[:] = 0.0
    env._mujoco.mj_forward(env.model, env.data)


def test_begins_where_gymnasium_robotics_does(theirs):
    start = Physics().start
    theirs.reset(seed=0)
    put_there = np.concatenate([theirs.data.qpos, theirs.data.qvel])
    free = np.r_[0:15, 17:43]  # all but the cube's x and y
    np.testing.assert_allclose(start[free], put_there[free], atol=2e-3)


def test_features_and_steps_are_those_of_gymnasium_robotics(theirs):
    envs = gym.make_vec("gbplan/FetchPush-v0", num_envs=2, continuing_task=True)
    pusher = FetchPusherPolicy()
    pusher.reset(envs, range(2))
    observation, _ = envs.reset(seed=0)
    physics, moved = Physics(), 0.0
    for _ in range(25):
        actions = pusher.act(observation)
        then, *_ = envs.step(actions)
        for state, seen, action, after in zip(
            observation["observation"].astype(np.float64),
            observation["features"],
            actions,
            then["observation"],
            strict=True,
        ):
            put(theirs, state)
            np.testing.assert_allclose(theirs._get_obs()["observation"], seen, atol=1e-5)
            np.testing.assert_array_equal(physics.step(state, action.astype(np.float64))[0].astype(np.float32), after)
            theirs.step(action)
            np.testing.assert_allclose(theirs.data.qpos, after[:22], atol=1e-3)
            moved = max(moved, np.abs(after[15:17] - state[15:17]).max())
        observation = then
    assert moved > 0.01  # the cube was pushed


def test_angles_are_those_of_gymnasium_robotics():
    rotations = pytest.importorskip("gymnasium_robotics.utils.rotations")
    rng = np.random.default_rng(0)
    turned, _ = np.linalg.qr(rng.standard_normal((20, 3, 3)))
    turned *= np.linalg.det(turned)[:, None, None]
    upright = rotations.euler2mat(np.array([0.3, np.pi / 2, 0.1]))
    for rotation in (*turned, upright):
        np.testing.assert_allclose(euler_angles(rotation), rotations.mat2euler(rotation), atol=1e-12)
