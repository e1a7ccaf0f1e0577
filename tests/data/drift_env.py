"""The smallest goal-conditioned environment: a point that moves by a quarter of its action, plus seeded noise."""

import gymnasium as gym
import numpy as np
from gymnasium.spaces import Box, Dict

from gbplan.envs import Policy


class DriftEnv(gym.Env):
    def __init__(
        self,
        noise: float = 0.0,
        dim: int = 2,
        heed_options: bool = True,
        render_mode: str | None = None,
        more: str = "",
    ):
        def box() -> Box:
            return Box(-10_000, 10_000, (dim,), np.float32)

        named = {key: box() for key in ("observation", "achieved_goal", "desired_goal", more) if key}
        self.observation_space = Dict(named)
        self.action_space = Box(-1, 1, (dim,), np.float32)
        self.noise, self.dim, self.heed_options, self.render_mode = noise, dim, heed_options, render_mode

    def _observe(self):
        position, goal = self.position.astype(np.float32), self.goal.astype(np.float32)
        distance = float(np.linalg.norm(self.position - self.goal))
        observation = {"observation": position, "achieved_goal": position.copy(), "desired_goal": goal}
        return observation, {"is_success": distance < 0.3, "distance": distance, "nested": {"left": "out"}}

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        options = (options or {}) if self.heed_options else {}
        self.position = np.array(options.get("state", self.np_random.uniform(-2, 2, self.dim)), np.float64)
        self.goal = np.array(options.get("goal", self.np_random.uniform(-2, 2, self.dim)), np.float64)
        return self._observe()

    def step(self, action):
        noise = self.noise * self.np_random.normal(size=self.dim)
        self.position = np.clip(self.position + 0.25 * np.clip(action, -1, 1) + noise, -10_000, 10_000)
        observation, info = self._observe()
        return observation, -info["distance"], info["is_success"], False, info | {"stepped": 1}


class PictureDriftEnv(DriftEnv):
    """With two noisy pictures: where the point is, and where the goal is."""

    def __init__(self, size: int = 64, **arguments):
        super().__init__(**arguments)
        picture = Box(0, 255, (size, size, 3), np.uint8)
        self.observation_space = Dict(**self.observation_space.spaces, pixels=picture, desired_pixels=picture)
        self.size = size

    def _observe(self):
        observation, info = super()._observe()
        drawn = {"pixels": self._draw(self.position), "desired_pixels": self._draw(self.goal)}
        return observation | drawn, info

    def _draw(self, place):
        seed = np.abs(np.round(place * 1000)).astype(np.int64)
        return np.random.default_rng(seed).integers(0, 256, (self.size, self.size, 3), np.uint8)


class Chase(Policy):
    """Goes to the goal as fast as it may, with noise of its own."""

    def __init__(self, noise: float = 0.0):
        self.noise = noise

    def reset(self, envs, seeds):
        self._random = [np.random.default_rng(seed) for seed in seeds]

    def act(self, observation, active=None):
        wanted = (observation["desired_goal"] - observation["achieved_goal"]) / 0.25
        wanted = wanted + self.noise * np.stack([random.normal(size=wanted.shape[1]) for random in self._random])
        return np.clip(wanted, -1, 1).astype(np.float32)


class Script(Policy):
    """Plays back fixed actions, the same in every row."""

    def __init__(self, *actions):
        self.actions = np.asarray(actions, np.float32)

    def reset(self, envs, seeds):
        self._step, self._rows = 0, envs.num_envs
        self.seen_active = []

    def act(self, observation, active=None):
        action = self.actions[min(self._step, len(self.actions) - 1)]
        self._step += 1
        self.seen_active.append(active.copy())
        return np.broadcast_to(action, (self._rows, *action.shape))


if "Drift-v0" not in gym.registry:
    gym.register("Drift-v0", entry_point="drift_env:DriftEnv", max_episode_steps=20)
    gym.register("PictureDrift-v0", entry_point="drift_env:PictureDriftEnv", max_episode_steps=20)
