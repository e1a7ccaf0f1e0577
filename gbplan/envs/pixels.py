"""Wrappers that add pictures to observations, drawn from the state by the environment itself."""

from collections.abc import Mapping
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.spaces import Box, Dict
from gymnasium.utils import RecordConstructorArgs
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from gbplan.envs.contract import Env, name_of, optional_method

Pictures = NDArray[np.uint8]


class PixelObservation(gym.ObservationWrapper, RecordConstructorArgs):
    """Add pictures of the state and of the goal to the observations of an environment.

    | Key              | Meaning                                                                                |
    |------------------|----------------------------------------------------------------------------------------|
    | `pixels`         | picture of `observation`, its noise included, if there is any                          |
    | `desired_pixels` | picture of `desired_goal`; only if the environment has `render_goal`                   |

    Both are uint8, ``(size, size, 3)`` or ``(3, size, size)``. Other observations stay: an agent that may only use
    pictures must read ``pixels`` alone. The goal is drawn once per episode. If the environment only has ``render()``,
    use Gymnasium's ``AddRenderObservation``.
    """

    def __init__(self, env: gym.Env, size: int = 64, channels_first: bool = False) -> None:
        """Wrap an environment.

        Args:
            env: goal-conditioned, with a method ``render_state`` (see ``gbplan.envs.OptionalMethods``).
            size: pixels along an edge of a picture.
            channels_first: pictures as ``(3, size, size)``, torch's layout; else ``(size, size, 3)``.

        Raises:
            ValueError: the environment has no ``render_state``, or has pictures already.
        """
        RecordConstructorArgs.__init__(self, size=size, channels_first=channels_first)
        gym.ObservationWrapper.__init__(self, env)
        self._painter = _Painter(env, size, channels_first)
        self.observation_space = self._painter.space(env.observation_space)

    def observation(self, observation: dict[str, Any]) -> dict[str, Any]:
        """Add the pictures."""
        rows = {key: np.asarray(observation[key])[None] for key in ("observation", "desired_goal")}
        return observation | {key: pictures[0] for key, pictures in self._painter.paint(rows).items()}


class PixelVectorObservation(gym.vector.VectorObservationWrapper):
    """The same for a vector environment, whose rows are drawn together; see `PixelObservation`.

    Row i equals, bit for bit, the wrapper around a single environment.
    """

    def __init__(self, env: gym.vector.VectorEnv, size: int = 64, channels_first: bool = False) -> None:
        """Wrap a vector environment; arguments and errors as in `PixelObservation`.

        Raises:
            ValueError: also if it resets rows within a step, whose last observation would have no picture.
        """
        super().__init__(env)
        self._painter = _Painter(env, size, channels_first)
        self.single_observation_space = self._painter.space(env.single_observation_space)
        self.observation_space = batch_space(self.single_observation_space, env.num_envs)

    def observations(self, observations: dict[str, Any]) -> dict[str, Any]:
        """Add the pictures."""
        return observations | self._painter.paint(observations)


class _Painter:
    """Draws rows of observations, and remembers the goals' pictures."""

    def __init__(self, env: Env, size: int, channels_first: bool) -> None:
        self._env = env  # its name is looked up later: gymnasium.make has not set it yet
        self._size, self._channels_first = size, channels_first
        self._render_state = optional_method(env, "render_state")
        self._render_goal = optional_method(env, "render_goal")
        if self._render_state is None:
            raise ValueError(
                f"{name_of(self._env)} has no render_state(states, size) for these observations; add it to the "
                "environment, or use gymnasium.wrappers.AddRenderObservation, which takes its pictures from render()"
            )
        self._goals: NDArray | None = None
        self._goal_pictures: Pictures = np.empty(0, np.uint8)

    def space(self, space: gym.Space) -> Dict:
        """Return an observation space with the pictures added."""
        assert isinstance(space, Dict)  # else there would be no render_state
        keys = ["pixels"] if self._render_goal is None else ["pixels", "desired_pixels"]
        for key in keys:
            if key in space.spaces:
                raise ValueError(f"{name_of(self._env)} has {key!r} in its observations already; leave the wrapper out")
        edge = self._size
        box = Box(0, 255, (3, edge, edge) if self._channels_first else (edge, edge, 3), np.uint8)
        return Dict({**space.spaces, **dict.fromkeys(keys, box)})

    def paint(self, observations: Mapping[str, NDArray]) -> dict[str, Pictures]:
        """Return the pictures of rows, ``(N, ...)`` each."""
        pictures = {"pixels": self._drawn(self._render_state, observations["observation"])}
        if self._render_goal is not None:
            goals = observations["desired_goal"]
            if self._goals is None:
                self._goals, self._goal_pictures = goals.copy(), self._drawn(self._render_goal, goals)
            changed = (goals != self._goals).reshape(len(goals), -1).any(axis=1)
            if changed.any():
                self._goals[changed] = goals[changed]
                self._goal_pictures[changed] = self._drawn(self._render_goal, goals[changed])
            pictures["desired_pixels"] = self._goal_pictures.copy()
        return pictures

    def _drawn(self, render: Any, rows: NDArray) -> Pictures:
        pictures: Pictures = render(rows, self._size)
        expected = (len(rows), self._size, self._size, 3)
        if pictures.shape != expected or pictures.dtype != np.uint8:
            raise ValueError(
                f"{name_of(self._env)} must draw uint8 pictures of shape {expected}, got {pictures.dtype} "
                f"{pictures.shape}"
            )
        return np.ascontiguousarray(np.moveaxis(pictures, -1, 1)) if self._channels_first else pictures
