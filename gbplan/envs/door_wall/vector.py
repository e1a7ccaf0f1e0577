"""The vector form of DoorWall-v0: many agents in one array."""

from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import ArrayLike, NDArray

from gbplan.envs.door_wall.contact import slide_rows, stop_rows
from gbplan.envs.door_wall.env import DoorWallEnv, Observation
from gbplan.envs.door_wall.in_world import InWorld
from gbplan.envs.door_wall.rendering import scene_of
from gbplan.envs.door_wall.tasks import check_goals, check_states, draw_task
from gbplan.envs.door_wall.world import NOISE_CUT, World
from gbplan.envs.native_vector import Bools, Infos, NativeVectorEnv
from gbplan.envs.options import check_options
from gbplan.envs.planar import draw_episode
from gbplan.envs.reach_position import distance_between


class DoorWallVectorEnv(InWorld, NativeVectorEnv):
    """The native vector form of `DoorWallEnv`: same world, same arguments, many rows.

    Row i of ``reset(seed=s)`` is, step by step and bit for bit, the single environment of ``reset(seed=s + i)``.

    A finished row must be reset before the next step, by ``reset(options={"reset_mask": over})``: there is no autoreset
    (``metadata["autoreset_mode"]`` is ``AutoresetMode.DISABLED``), so no transition hides a reset. With
    ``continuing_task=True`` all rows run to the time limit together.

    ## Reset options

    | Key          | Shape                   | Meaning                                                               |
    |--------------|-------------------------|-----------------------------------------------------------------------|
    | `reset_mask` | (N,), bool array        | rows to reset; the others keep their state and their last observation |
    | `state`      | (N, D), or (D,) for all | start states; only rows that are reset are read                       |
    | `goal`       | (N, 2), or (2,) for all | goals; only rows that are reset are read                              |

    Info entries are arrays ``(N,)`` with masks ``_is_success``, ``_distance``, ``_contact`` of the rows they are about.
    """

    env_id = "DoorWall-v0"
    metadata = {**DoorWallEnv.metadata, "autoreset_mode": AutoresetMode.DISABLED}  # noqa: RUF012, Gymnasium's own form

    def __init__(
        self,
        num_envs: int = 1,
        *,
        max_episode_steps: int | None = 100,
        render_mode: str | None = None,
        **world: Any,
    ) -> None:
        """Make the rows.

        Args:
            num_envs: number of rows, N.
            max_episode_steps: rows are truncated after so many steps; None: never.
            render_mode: ``"rgb_array"``, or None.
            **world: arguments of `DoorWallEnv`.

        Raises:
            ValueError: an argument is outside its range.
            TypeError: an argument is of the wrong type.
        """
        self.world = World.from_arguments(world)
        spaces = self.world.observation_space(), self.world.action_space()
        super().__init__(num_envs, max_episode_steps, render_mode, *spaces)
        self._move = slide_rows if self.world.contact == "slide" else stop_rows
        # Separate arrays, not columns of one: numpy is several times slower on slices of rows.
        self._position = np.zeros((num_envs, 2))
        self._velocity = np.zeros((num_envs, self.world.state_size - 2))
        self._goal = np.zeros((num_envs, 2), np.float32)
        self._observed = np.zeros((num_envs, self.world.state_size), np.float32)
        self._trails: list[list[tuple[float, float]]] = [[] for _ in range(num_envs)]

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, Infos]:
        """Begin an episode in every row, or in those of ``options["reset_mask"]``.

        Args:
            seed: row i is seeded by ``seed + i`` or by ``seed[i]``; None continues a row's random stream. Rows that
                are not reset are not seeded either.
            options: see the class.
        """
        given = check_options(options, ("state", "goal", "reset_mask"))
        mask = self._checked_mask(given["reset_mask"]) if "reset_mask" in given else np.ones(self.num_envs, np.bool_)
        rows = np.flatnonzero(mask).tolist()
        # Check all arguments before anything changes.
        states = check_states(self.world, given["state"], mask).tolist() if "state" in given else [None] * len(rows)
        goals = check_goals(given["goal"], mask).tolist() if "goal" in given else [None] * len(rows)
        self._seed(seed, rows)

        tasks = [
            draw_task(self.world, self._generators[row], state, goal)
            for row, state, goal in zip(rows, states, goals, strict=True)
        ]
        self._position[mask] = [state[:2] for state, _ in tasks]
        self._velocity[mask] = [state[2:] for state, _ in tasks]
        self._goal[mask] = [goal for _, goal in tasks]
        for row, (state, _) in zip(rows, tasks, strict=True):
            self._trails[row] = [(state[0], state[1])]
        self._begin(mask)
        self._sense(rows)
        observation = self._observation()
        return observation, self._infos(observation, np.zeros(self.num_envs, np.bool_), mask)

    def step(self, actions: ArrayLike) -> tuple[Observation, NDArray[np.float64], Bools, Bools, Infos]:
        """Move every row once.

        Raises:
            gymnasium.error.ResetNeeded: a row is finished, or was never reset.
            gymnasium.error.InvalidAction: wrong shape, or NaN.
        """
        self._require_running_rows()
        world = self.world
        action = self._clipped(actions)
        if world.dynamics == "velocity":
            velocity = (1.0 - world.damping) * self._velocity + world.acceleration * action
            displacement = self._velocity = np.clip(velocity, -world.max_speed, world.max_speed)
        else:
            displacement = world.step_size * action
        if world.process_noise > 0.0:
            displacement = displacement + world.process_noise * self._noise(range(self.num_envs), 2)

        self._position, hit = self._move(self._position, displacement, world.door_low, world.door_high)
        if world.dynamics == "velocity":
            self._velocity[hit & (self._velocity * displacement > 0.0)] = 0.0
        if self.render_mode is not None:
            for trail, point in zip(self._trails, self._position.tolist(), strict=True):
                trail.append((point[0], point[1]))

        self._sense()
        observation = self._observation()
        infos = self._infos(observation, hit[:, 0] | hit[:, 1], np.ones(self.num_envs, np.bool_))
        success, distance = infos["is_success"], infos["distance"]
        rewards = -distance if world.reward_type == "dense" else success - 1.0
        terminated = np.zeros_like(success) if world.continuing_task else success.copy()
        return observation, rewards, terminated, self._end(terminated), infos

    def render(self) -> tuple[NDArray[np.uint8], ...] | None:
        """Return one image per row, as `render` draws it."""
        if self.render_mode is None:
            gym.logger.warn('render() needs gym.make_vec("DoorWall-v0", render_mode="rgb_array")')
            return None
        if not self._begun.all():
            raise gym.error.ResetNeeded("DoorWall-v0 was rendered before its first reset; call reset() before render()")
        return tuple(
            draw_episode(scene_of(self.world), trail, (goal[0], goal[1]), self.world.goal_threshold)
            for trail, goal in zip(self._trails, self._goal.tolist(), strict=True)
        )

    def _sense(self, rows: Sequence[int] | None = None) -> None:
        """Observe the state again, with fresh noise, in the given rows (None: all)."""
        state = np.concatenate([self._position, self._velocity], axis=1) if self._velocity.size else self._position
        if self.world.observation_noise > 0.0:
            rows = range(self.num_envs) if rows is None else rows
            noise = np.clip(self._noise(rows, self.world.state_size), -NOISE_CUT, NOISE_CUT)
            self._observed[rows] = state[rows] + self.world.observation_noise * noise
        else:
            self._observed = state.astype(np.float32)

    def _noise(self, rows: Sequence[int], size: int) -> NDArray[np.float64]:
        """Draw standard normal numbers from each row's own generator, ``(len(rows), size)``."""
        noise = np.empty((len(rows), size))
        for row, out in zip(rows, noise, strict=True):
            self._generators[row].standard_normal(out=out)
        return noise

    def _observation(self) -> Observation:
        return {
            "observation": self._observed.copy(),
            "achieved_goal": self._position.astype(np.float32),
            "desired_goal": self._goal.copy(),
        }

    def _infos(self, observation: Observation, contact: Bools, rows: Bools) -> Infos:
        distance = distance_between(observation["achieved_goal"], observation["desired_goal"])
        infos: Infos = {"is_success": distance < self.world.goal_threshold, "distance": distance, "contact": contact}
        return self._masked(infos, rows)
