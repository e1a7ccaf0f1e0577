"""The vector form of gbplan/PushT-v0: many tables in one process."""

from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import ArrayLike, NDArray

from gbplan.envs.arguments import world_of
from gbplan.envs.native_vector import Bools, Infos, NativeVectorEnv
from gbplan.envs.options import check_options
from gbplan.envs.push_t import states
from gbplan.envs.push_t.env import Observation, PushTEnv
from gbplan.envs.push_t.in_world import InWorld
from gbplan.envs.push_t.physics import Physics
from gbplan.envs.push_t.rendering import draw_episode
from gbplan.envs.push_t.tasks import draw_task
from gbplan.envs.push_t.world import ENV_ID, World
from gbplan.envs.segments import draw_key


class PushTVectorEnv(InWorld, NativeVectorEnv):
    """The native vector form of `PushTEnv`: same world, same arguments, many rows.

    Row i of ``reset(seed=s)`` is, step by step and bit for bit, the single environment of ``reset(seed=s + i)``. Rows
    are stepped one after the other, on the same table.

    A finished row must be reset before the next step, by ``reset(options={"reset_mask": over})``: there is no
    autoreset (``metadata["autoreset_mode"]`` is ``AutoresetMode.DISABLED``). With ``continuing_task=True`` all rows run
    to the time limit together.

    ## Reset options

    | Key          | Shape                   | Meaning                                                               |
    |--------------|-------------------------|-----------------------------------------------------------------------|
    | `reset_mask` | (N,), bool array        | rows to reset; the others keep their state                            |
    | `state`      | (N, D), or (D,) for all | start states, D 11, 7 or 5; only rows that are reset are read         |
    | `goal`       | (N, G), or (G,) for all | goals; only rows that are reset are read                              |

    Info entries are arrays ``(N,)`` with masks of the rows they are about, such as ``_is_success``.
    """

    env_id = ENV_ID
    metadata = {**PushTEnv.metadata, "autoreset_mode": AutoresetMode.DISABLED}  # noqa: RUF012, Gymnasium's own form

    def __init__(
        self,
        num_envs: int = 1,
        *,
        max_episode_steps: int | None = 150,
        render_mode: str | None = None,
        **world: Any,
    ) -> None:
        """Make the rows.

        Args:
            num_envs: number of rows, N.
            max_episode_steps: rows are truncated after so many steps; None: never.
            render_mode: ``"rgb_array"``, or None.
            **world: arguments of `PushTEnv`.

        Raises:
            ValueError: an argument is outside its range.
            TypeError: an argument has the wrong type or an unknown name.
        """
        self.world = world_of(World, ENV_ID, world)
        spaces = self.world.observation_space(), self.world.action_space()
        super().__init__(num_envs, max_episode_steps, render_mode, *spaces)
        self._physics = Physics(self.world.friction, self.world.damping)
        self._states: list[Sequence[float]] = [()] * num_envs
        self._starts: list[Sequence[float]] = [()] * num_envs
        self._goals: list[Sequence[float]] = [()] * num_envs
        self._keys = [0] * num_envs

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
        begun: Sequence[Any] = states.check_states(given["state"], mask) if "state" in given else [None] * len(rows)
        goals: Sequence[Any] = [None] * len(rows)
        if "goal" in given:
            goals = states.check_goals(given["goal"], self.world.success, mask)
        self._seed(seed, rows)
        for row, state, goal in zip(rows, begun, goals, strict=True):
            self._keys[row] = draw_key(self._generators[row])
            task = draw_task(self.world, self._keys[row], state, goal)
            self._states[row] = self._starts[row] = task.state
            self._goals[row] = task.goal
        self._begin(mask)
        return self._observation(), self._judged(np.zeros(self.num_envs, np.bool_), mask)[1]

    def step(self, actions: ArrayLike) -> tuple[Observation, NDArray[np.float64], Bools, Bools, Infos]:
        """Move every row for a tenth of a second.

        Raises:
            gymnasium.error.ResetNeeded: a row is finished, or was never reset.
            gymnasium.error.InvalidAction: wrong shape, or NaN.
        """
        self._require_running_rows()
        touched = np.zeros(self.num_envs, np.bool_)
        for row, (action_x, action_y) in enumerate(self._clipped(actions).tolist()):
            self._states[row], touched[row] = self._physics.step(self._states[row], action_x, action_y)
        rewards, infos = self._judged(touched, np.ones(self.num_envs, np.bool_))
        success = infos["is_success"]
        terminated = np.zeros_like(success) if self.world.continuing_task else success.copy()
        return self._observation(), rewards, terminated, self._end(terminated), infos

    def call(self, name: str, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        """Return an attribute of each row's environment, or its result if it is a method."""
        if name == "segment_actions":
            rows = zip(self._keys, self._starts, self._goals, strict=True)
            return tuple(self._segment(key, start, goal) if start else None for key, start, goal in rows)
        return super().call(name, *args, **kwargs)

    def render(self) -> tuple[NDArray[np.uint8], ...] | None:
        """Return one image per row, as `render` draws it."""
        if self.render_mode is None:
            gym.logger.warn(f'render() needs gym.make_vec("{ENV_ID}", render_mode="rgb_array")')
            return None
        if not self._begun.all():
            raise gym.error.ResetNeeded(f"{ENV_ID} was rendered before its first reset; call reset() before render()")
        return tuple(draw_episode(state, goal) for state, goal in zip(self._states, self._goals, strict=True))

    def _observation(self) -> Observation:
        observed = np.array(self._states, np.float32)
        return {
            "observation": observed,
            "achieved_goal": observed[:, self._part].copy(),
            "desired_goal": np.array(self._goals, np.float32),
        }

    def _judged(self, touched: Bools, rows: Bools) -> tuple[NDArray[np.float64], Infos]:
        """Return rewards and infos."""
        judged = [
            self._judge(state, goal, contact)
            for state, goal, contact in zip(self._states, self._goals, touched.tolist(), strict=True)
        ]
        infos = {key: np.array([info[key] for _, info in judged]) for key in judged[0][1]}
        return np.array([reward for reward, _ in judged]), self._masked(infos, rows)
