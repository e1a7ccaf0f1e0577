"""The smallest world in which a plan can be right: two states, and the sign of the action says which comes next."""

import gymnasium as gym
import numpy as np
from gymnasium.spaces import Box, Dict


class TwoStatesEnv(gym.Env):
    """From -1 to 1 or from 1 to -1, in one step if the action points there."""

    def __init__(self, heeds=("state", "goal"), render_mode=None):
        box = Box(-1, 1, (1,), np.float32)
        self.observation_space = Dict(observation=box, achieved_goal=box, desired_goal=box)
        self.action_space = box
        self.heeds = heeds

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        state = np.float32([self.np_random.choice([-1, 1])])
        drawn = {"state": state, "goal": -state}
        drawn |= {name: value for name, value in (options or {}).items() if name in self.heeds}
        self.state, self.goal = np.float32(drawn["state"]), np.float32(drawn["goal"])
        return self._observe(), self._info()

    def step(self, action):
        self.state = np.where(action > 0, np.float32(1), np.float32(-1)).astype(np.float32)
        return self._observe(), 0.0, self._info()["is_success"], False, self._info()

    def goal_distance(self, achieved, desired):
        return np.abs(np.asarray(achieved, np.float64) - np.asarray(desired, np.float64))[..., 0]

    def compute_success(self, achieved, desired):
        return self.goal_distance(achieved, desired) == 0

    def _info(self):
        return {"is_success": bool(self.state == self.goal)}

    def _observe(self):
        return {"observation": self.state.copy(), "achieved_goal": self.state.copy(), "desired_goal": self.goal.copy()}


if "TwoStates-v0" not in gym.registry:
    gym.register("TwoStates-v0", entry_point="two_states:TwoStatesEnv", max_episode_steps=3)
    gym.register("TwoStatesForEver-v0", entry_point="two_states:TwoStatesEnv")
