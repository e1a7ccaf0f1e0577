"""A point that moves by half its action: a world small enough to compute by hand."""

import gymnasium as gym
import numpy as np

from gbplan.envs import Policy
from gbplan.networks import IdentityEncoder, Predictor, WorldModel

STEP = 0.5


class PointWorld(gym.vector.VectorEnv):
    """Gives spaces only; ``play`` moves the points."""

    def __init__(self, num_envs=4, low=(-1.0, -0.5), high=(1.0, 0.5), action_space=None, size=2, goal_size=2):
        self.num_envs = num_envs
        self.single_action_space = action_space or gym.spaces.Box(np.float32(low), np.float32(high), dtype=np.float32)
        state, goal = (gym.spaces.Box(-9, 9, (n,), np.float32) for n in (size, goal_size))
        self.single_observation_space = gym.spaces.Dict(observation=state, achieved_goal=goal, desired_goal=goal)


class PointWorldWithExpert(PointWorld):
    def expert(self, action_noise):
        return FullSpeed(action_noise)


class FullSpeed(Policy):
    def __init__(self, action_noise):
        self.action_noise = action_noise

    def reset(self, envs, seeds):
        self.high = np.tile(envs.single_action_space.high, (len(seeds), 1))

    def act(self, observation, active=None):
        return self.high


class PointDynamics(Predictor):
    latent_shape = (2,)
    action_dim = 2

    def forward(self, latents, actions):
        latent, action = latents[:, -1], actions[:, -1]
        return latent + STEP * action


def point_model():
    return WorldModel(IdentityEncoder(2), PointDynamics())


def observe(position, goal):
    return {"observation": position, "achieved_goal": position, "desired_goal": goal}


def draw_tasks(count, seed=0):
    rng = np.random.default_rng(seed)
    return rng.uniform(-2, 2, (2, count, 2)).astype(np.float32)


def play(policy, envs, position, goal, steps, seeds=None, active=None):
    """Actions ``(steps, N, 2)`` and final positions ``(N, 2)``; ``active`` is a mask per step."""
    policy.reset(envs, range(len(position)) if seeds is None else seeds)
    actions = []
    for step in range(steps):
        actions.append(policy.act(observe(position, goal), None if active is None else active[step]))
        position = position + np.float32(STEP) * actions[-1]
    return np.stack(actions), position
