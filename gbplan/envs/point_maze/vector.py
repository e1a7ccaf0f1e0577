"""The vector form of gbplan/PointMaze-v0: many balls in one array, in one process."""

from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import ArrayLike, NDArray

from gbplan.envs.arguments import world_of
from gbplan.envs.native_vector import Bools, Infos, NativeVectorEnv
from gbplan.envs.options import check_options
from gbplan.envs.planar import draw_episode
from gbplan.envs.point_maze.env import Observation, PointMazeEnv
from gbplan.envs.point_maze.in_world import InWorld
from gbplan.envs.point_maze.physics import Physics
from gbplan.envs.point_maze.rendering import scene_of
from gbplan.envs.point_maze.tasks import check_goals, check_states, draw_task
from gbplan.envs.point_maze.world import ENV_ID, World


class PointMazeVectorEnv(InWorld, NativeVectorEnv):
    """The native vector form of `PointMazeEnv`: same arguments, many rows.

    Row i of ``reset(seed=s)`` is, step by step and bit for bit, the single environment of ``reset(seed=s + i)``. One
    call of MuJoCo's ``rollout`` steps all rows.

    A finished row must be reset before the next step, by ``reset(options={"reset_mask": over})``: there is no
    autoreset (``metadata["autoreset_mode"]`` is ``AutoresetMode.DISABLED``). With ``continuing_task=True`` all rows run
    to the time limit together.

    ## Reset options

    | Key          | Shape                   | Meaning                                                               |
    |--------------|-------------------------|-----------------------------------------------------------------------|
    | `reset_mask` | (N,), bool array        | rows to reset; the others keep their state                            |
    | `state`      | (N, D), or (D,) for all | start states, D 4 or 2; only rows that are reset are read             |
    | `goal`       | (N, 2), or (2,) for all | goals; only rows that are reset are read                              |

    Info entries are arrays ``(N,)`` with masks ``_is_success``, ``_distance``, ``_contact`` of the rows they are about.
    """

    env_id = ENV_ID
    metadata = {**PointMazeEnv.metadata, "autoreset_mode": AutoresetMode.DISABLED}  # noqa: RUF012, Gymnasium's own form

    def __init__(
        self,
        num_envs: int = 1,
        *,
        max_episode_steps: int | None = 200,
        render_mode: str | None = None,
        **world: Any,
    ) -> None:
        """Make the rows.

        Args:
            num_envs: number of rows, N.
            max_episode_steps: rows are truncated after so many steps; None: never.
            render_mode: ``"rgb_array"``, or None.
            **world: arguments of `PointMazeEnv`.

        Raises:
            ValueError: an argument is outside its range.
            TypeError: an argument has the wrong type or an unknown name.
            gymnasium.error.DependencyNotInstalled: MuJoCo is not installed.
        """
        self.world = world_of(World, ENV_ID, world)
        spaces = self.world.observation_space(), self.world.action_space()
        super().__init__(num_envs, max_episode_steps, render_mode, *spaces)
        self._physics = Physics(self.world.maze, self.world.frame_skip)
        self._states = np.zeros((num_envs, 4))
        self._goals = np.zeros((num_envs, 2))
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
        states = check_states(self.world, given["state"], mask) if "state" in given else [None] * len(rows)
        goals = check_goals(self.world, given["goal"], mask) if "goal" in given else [None] * len(rows)
        self._seed(seed, rows)
        for row, state, goal in zip(rows, states, goals, strict=True):
            self._states[row], self._goals[row] = draw_task(self.world, self._generators[row], state, goal)
            self._trails[row] = [(self._states[row, 0], self._states[row, 1])]
        self._begin(mask)
        observation = self._observation()
        return observation, self._infos(observation, np.zeros(self.num_envs, np.bool_), mask)

    def step(self, actions: ArrayLike) -> tuple[Observation, NDArray[np.float64], Bools, Bools, Infos]:
        """Push every row once.

        Raises:
            gymnasium.error.ResetNeeded: a row is finished, or was never reset.
            gymnasium.error.InvalidAction: wrong shape, or NaN.
        """
        self._require_running_rows()
        self._states, touched = self._physics.step(self._states, self._clipped(actions))
        if self.render_mode is not None:
            for trail, state in zip(self._trails, self._states.tolist(), strict=True):
                trail.append((state[0], state[1]))
        observation = self._observation()
        infos = self._infos(observation, touched, np.ones(self.num_envs, np.bool_))
        success, distance = infos["is_success"], infos["distance"]
        rewards = -distance if self.world.reward_type == "dense" else success - 1.0
        terminated = np.zeros_like(success) if self.world.continuing_task else success.copy()
        return observation, rewards, terminated, self._end(terminated), infos

    def render(self) -> tuple[NDArray[np.uint8], ...] | None:
        """Return one image per row, as `render` draws it."""
        if self.render_mode is None:
            gym.logger.warn(f'render() needs gym.make_vec("{ENV_ID}", render_mode="rgb_array")')
            return None
        if not self._begun.all():
            raise gym.error.ResetNeeded(f"{ENV_ID} was rendered before its first reset; call reset() before render()")
        return tuple(
            draw_episode(scene_of(self.world.maze), trail, (goal[0], goal[1]), self.world.goal_threshold)
            for trail, goal in zip(self._trails, self._goals.tolist(), strict=True)
        )

    def _observation(self) -> Observation:
        states = self._states.astype(np.float32)
        return {
            "observation": states,
            "achieved_goal": states[:, :2].copy(),
            "desired_goal": self._goals.astype(np.float32),
        }

    def _infos(self, observation: Observation, contact: Bools, rows: Bools) -> Infos:
        distance = self.goal_distance(observation["achieved_goal"], observation["desired_goal"])
        infos = {"is_success": distance < self.world.goal_threshold, "distance": distance, "contact": contact}
        return self._masked(infos, rows)
