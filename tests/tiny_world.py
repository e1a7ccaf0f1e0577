"""A world of the tests' own, unlike DoorWall in all that rooms might take for granted.

Importing it registers ``TinyPixels-v0``: pictures, actions of 3 dimensions, success that is not a distance, one kind of
tasks, no native vector form, and a time limit that a block of 5 steps does not divide.
"""

import gymnasium as gym
import numpy as np
from gymnasium.spaces import Box, Dict

from gbplan.envs import Policy
from gbplan.seeds import policy_generators

STEP, TURN = 0.5, 1.0  # of a full action: units of length, radians
NEAR, ALIGNED = 0.3, 0.5  # success: nearer than this, and turned less than this away
EDGE = 16  # pixels
TIME_LIMIT = 23

HIGH = np.float32([1, 1, 1, np.pi])


class TinyPixelsEnv(gym.Env):
    """A drone in the box [-1, 1]^3: state (x, y, z, angle), actions (forward, turn, lift); the goal is a state."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 4}  # noqa: RUF012

    def __init__(self, render_mode=None):
        state, picture = Box(-HIGH, HIGH), Box(0, 255, (EDGE, EDGE, 3), np.uint8)
        self.observation_space = Dict(
            observation=state, achieved_goal=state, desired_goal=state, pixels=picture, desired_pixels=picture
        )
        self.action_space = Box(-1, 1, (3,), np.float32)
        self.render_mode = render_mode

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        state, goal = self.np_random.uniform(-0.9 * HIGH, 0.9 * HIGH, (2, 4))
        while self.compute_success(state, goal):
            goal = self.np_random.uniform(-0.9 * HIGH, 0.9 * HIGH)
        told = {"state": state, "goal": goal} | (options or {})
        self._state, self._goal = (np.array(told[name], np.float32) for name in ("state", "goal"))
        return self._observe()

    def step(self, action):
        forward, turn, lift = np.clip(np.asarray(action, np.float64), -1, 1)
        x, y, z, angle = self._state.astype(np.float64)
        angle = wrapped(angle + TURN * turn)
        x, y, z = x + STEP * forward * np.cos(angle), y + STEP * forward * np.sin(angle), z + STEP * lift
        self._state = np.clip(np.float32([x, y, z, angle]), -HIGH, HIGH)
        observation, info = self._observe()
        return observation, float(info["is_success"]) - 1.0, info["is_success"], False, info

    def render(self):
        return picture(self._state)

    def compute_success(self, achieved, desired):
        apart = np.asarray(achieved, np.float64) - np.asarray(desired, np.float64)
        near = np.sqrt((apart[..., :3] ** 2).sum(axis=-1)) < NEAR
        return near & (np.abs(wrapped(apart[..., 3])) < ALIGNED)

    def expert(self, action_noise=0.0):
        return TinyExpert(action_noise)

    def _observe(self):
        observation = {
            "observation": self._state.copy(),
            "achieved_goal": self._state.copy(),
            "desired_goal": self._goal.copy(),
            "pixels": picture(self._state),
            "desired_pixels": picture(self._goal),
        }
        return observation, {"is_success": bool(self.compute_success(self._state, self._goal))}


def wrapped(angle):
    """The same angle in [-pi, pi)."""
    return (angle + np.pi) % (2 * np.pi) - np.pi


def picture(state):
    """Red: from above. Green: from the side. Blue: from above, a little ahead of the agent."""
    x, y, z, angle = np.asarray(state, np.float64)
    places = np.linspace(-1.5, 1.5, EDGE)
    centres = (x, y), (x, z), (x + 0.4 * np.cos(angle), y + 0.4 * np.sin(angle))
    blobs = [np.exp(-((places[None, :] - a) ** 2 + (places[:, None] - b) ** 2) / 0.1) for a, b in centres]
    return np.rint(255 * np.stack(blobs, axis=-1)).astype(np.uint8)


class TinyExpert(Policy):
    """Drives to the goal, forward or backward, then turns as the goal wants it."""

    def __init__(self, action_noise=0.0):
        self.action_noise = action_noise

    def reset(self, envs, seeds):
        self._generators = policy_generators(seeds)

    def act(self, observation, active=None):
        state, goal = (observation[key].astype(np.float64) for key in ("observation", "desired_goal"))
        ahead = goal[:, :2] - state[:, :2]
        distance = np.hypot(*ahead.T)
        heading = wrapped(np.arctan2(ahead[:, 1], ahead[:, 0]) - state[:, 3])
        backward = np.abs(heading) > np.pi / 2
        there = distance < 0.5 * NEAR
        turn = np.where(there, wrapped(goal[:, 3] - state[:, 3]), np.where(backward, wrapped(heading - np.pi), heading))
        left = np.where(there, 0.0, distance * np.cos(heading - np.clip(turn / TURN, -1, 1) * TURN))
        action = np.stack([left / STEP, turn / TURN, (goal[:, 2] - state[:, 2]) / STEP], axis=-1)
        if self.action_noise:
            action += self.action_noise * np.stack([rng.standard_normal(3) for rng in self._generators])
        return np.clip(action, -1, 1).astype(np.float32)


if "TinyPixels-v0" not in gym.registry:
    gym.register("TinyPixels-v0", entry_point="tiny_world:TinyPixelsEnv", max_episode_steps=TIME_LIMIT)
