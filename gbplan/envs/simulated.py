"""Base classes of worlds whose step is a function of state and action, stepped row by row: single and vector form."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import ArrayLike, NDArray

from gbplan.envs.native_vector import Bools, Infos, NativeVectorEnv, check_render_mode
from gbplan.envs.options import check_options
from gbplan.envs.segments import Task, draw_key

Floats = NDArray[np.float64]
Observation = dict[str, NDArray[np.float32]]


class Row(NamedTuple):
    """One episode.

    Attributes:
        state: the current state, in float32 numbers, ``(S,)``.
        goal: the goal, in float32 numbers, ``(G,)``.
        start: the state at the beginning, ``(S,)``.
        key: seed of the drawn task, see `draw_key`.
    """

    state: Floats
    goal: Floats
    start: Floats
    key: int


class Simulated(ABC):
    """Parts shared by both forms of a world; N is the number of rows."""

    env_id: str
    world: Any  # has reward_type ("sparse" or "dense"), goal_threshold, continuing_task and the two spaces

    @abstractmethod
    def _make(self, arguments: dict[str, Any]) -> None:
        """Check the arguments, and set ``world`` and everything that steps need."""

    @abstractmethod
    def _check_states(self, states: Any, mask: Bools | None = None) -> Floats:
        """Return start states in float32 numbers, or raise an error; see ``options.chosen_rows``."""

    @abstractmethod
    def _check_goals(self, goals: Any, mask: Bools | None = None) -> Floats:
        """Return goals likewise."""

    @abstractmethod
    def _task(self, key: int, state: Floats | None, goal: Floats | None) -> Task:
        """Complete a task; missing parts are a function of the key and of the given part."""

    @abstractmethod
    def _advance(self, state: Floats, action: Floats) -> tuple[Floats, bool]:
        """Return the next state, and whether there was contact; the action lies in [-1, 1]."""

    @abstractmethod
    def _observed(self, states: Floats, goals: Floats) -> Observation:
        """Return the observations of states ``(N, S)`` and goals ``(N, G)``."""

    @abstractmethod
    def _drawn(self, row: Row) -> NDArray[np.uint8]:
        """Return the picture that ``render`` shows."""

    @abstractmethod
    def goal_distance(self, achieved: ArrayLike, desired: ArrayLike) -> Any:
        """Return distances between goals ``(..., G)``, ``(...)``."""

    def _first(self, key: int, state: Floats | None, goal: Floats | None) -> Row:
        task = self._task(key, state, goal)
        return Row(task.state, task.goal, task.state, key)

    def _judged(self, observation: Observation, touched: Bools) -> tuple[NDArray[np.float64], Infos]:
        """Return rewards and infos, ``(N,)`` each."""
        distance = self.goal_distance(observation["achieved_goal"], observation["desired_goal"])
        success = distance < self.world.goal_threshold
        rewards = -distance if self.world.reward_type == "dense" else success - 1.0
        return rewards, {"is_success": success, "distance": distance, "contact": touched}

    def _segment(self, row: Row) -> NDArray[np.float32] | None:
        """Return the actions that lead from start to goal, ``(T, A)``; None if they are not known."""
        task = self._task(row.key, None, None)
        known = np.array_equal(task.state, row.start) and np.array_equal(task.goal, row.goal)
        return task.actions.copy() if known and task.actions is not None else None


class SimulatedEnv(Simulated, gym.Env[dict[str, Any], NDArray[Any]]):
    """The single form, equal to one row of the vector form."""

    def __init__(self, *, render_mode: str | None = None, **world: Any) -> None:
        """Make the environment; ``world`` are the arguments that the class lists.

        Raises:
            ValueError: an argument is outside its range.
            TypeError: an argument has the wrong type or an unknown name.
            gymnasium.error.DependencyNotInstalled: MuJoCo is not installed.
        """
        check_render_mode(render_mode)
        self._make(world)
        self.render_mode = render_mode
        self.observation_space = self.world.observation_space()
        self.action_space = self.world.action_space()
        self._row: Row | None = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Begin an episode; ``options`` may contain ``state`` and ``goal``, see Starting State."""
        given = check_options(options, ("state", "goal"))
        state = self._check_states(given["state"])[0] if "state" in given else None
        goal = self._check_goals(given["goal"])[0] if "goal" in given else None
        super().reset(seed=seed)
        self._row = self._first(draw_key(self.np_random), state, goal)
        observation, _, info = self._now(self._row, touched=False)
        return observation, info

    def step(self, action: ArrayLike) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Act once; see Transition Dynamics."""
        if self._row is None:
            raise gym.error.ResetNeeded(f"{self.env_id} was stepped before its first reset; call reset() before step()")
        state, touched = self._advance(self._row.state, self._clipped(action))
        self._row = self._row._replace(state=state)
        observation, reward, info = self._now(self._row, touched)
        # Never truncated here: gymnasium.make adds the time limit as a wrapper.
        return observation, reward, info["is_success"] and not self.world.continuing_task, False, info

    def segment_actions(self) -> NDArray[np.float32] | None:
        """Return actions that lead from this episode's start to its goal, ``(T, A)``.

        None if the task is not a segment, or not the one that is drawn for this episode's seed.
        """
        return None if self._row is None else self._segment(self._row)

    def render(self) -> NDArray[np.uint8] | None:
        """Return the world as it is, with its goal, ``(256, 256, 3)``."""
        if self.render_mode is None:
            gym.logger.warn(f'render() needs gym.make("{self.env_id}", render_mode="rgb_array")')
            return None
        if self._row is None:
            raise gym.error.ResetNeeded(
                f"{self.env_id} was rendered before its first reset; call reset() before render()"
            )
        return self._drawn(self._row)

    def _clipped(self, action: ArrayLike) -> Floats:
        array = np.asarray(action, np.float64)
        if array.shape != self.action_space.shape:
            raise gym.error.InvalidAction(f"the action must have shape {self.action_space.shape}, got {array.shape}")
        if np.isnan(array).any():
            raise gym.error.InvalidAction(f"the action must not be NaN, got {array}")
        return np.clip(array, -1.0, 1.0)

    def _now(self, row: Row, touched: bool) -> tuple[Observation, float, dict[str, Any]]:
        observed = self._observed(row.state[None], row.goal[None])
        rewards, infos = self._judged(observed, np.array([touched]))
        info = {key: values[0].item() for key, values in infos.items()}
        return {key: values[0] for key, values in observed.items()}, float(rewards[0]), info


class SimulatedVectorEnv(Simulated, NativeVectorEnv):
    """The native vector form: rows are stepped one after the other, in one process.

    Row i of ``reset(seed=s)`` is, step by step and bit for bit, the single environment of ``reset(seed=s + i)``.

    A finished row must be reset before the next step, by ``reset(options={"reset_mask": over})``: there is no
    autoreset (``metadata["autoreset_mode"]`` is ``AutoresetMode.DISABLED``). With ``continuing_task=True`` all rows run
    to the time limit together.

    ## Reset options

    | Key          | Shape                   | Meaning                                          |
    |--------------|-------------------------|--------------------------------------------------|
    | `reset_mask` | (N,), bool array        | rows to reset; the others keep their state       |
    | `state`      | (N, D), or (D,) for all | start states; only rows that are reset are read  |
    | `goal`       | (N, G), or (G,) for all | goals; only rows that are reset are read         |

    Info entries are arrays ``(N,)`` with masks of the rows they are about, such as ``_is_success``.
    """

    metadata = {"render_modes": ["rgb_array"], "autoreset_mode": AutoresetMode.DISABLED}  # noqa: RUF012, Gymnasium's

    def __init__(
        self,
        num_envs: int = 1,
        *,
        max_episode_steps: int | None = None,
        render_mode: str | None = None,
        **world: Any,
    ) -> None:
        """Make the rows.

        Args:
            num_envs: number of rows, N.
            max_episode_steps: rows are truncated after so many steps; None: never.
            render_mode: ``"rgb_array"``, or None.
            **world: arguments of the single form.

        Raises:
            ValueError: an argument is outside its range.
            TypeError: an argument has the wrong type or an unknown name.
            gymnasium.error.DependencyNotInstalled: MuJoCo is not installed.
        """
        self._make(world)
        spaces = self.world.observation_space(), self.world.action_space()
        super().__init__(num_envs, max_episode_steps, render_mode, *spaces)
        self._rows: list[Row] = []

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
        chosen = np.flatnonzero(mask).tolist()
        # Everything the caller gives is checked before anything changes.
        states = self._check_states(given["state"], mask) if "state" in given else [None] * len(chosen)
        goals = self._check_goals(given["goal"], mask) if "goal" in given else [None] * len(chosen)
        self._seed(seed, chosen)
        begun = [
            self._first(draw_key(self._generators[row]), state, goal)
            for row, state, goal in zip(chosen, states, goals, strict=True)
        ]
        rows = dict(enumerate(self._rows)) | dict(zip(chosen, begun, strict=True))
        self._rows = [rows[row] for row in range(self.num_envs)]
        self._begin(mask)
        observation, _, infos = self._now(np.zeros(self.num_envs, np.bool_), mask)
        return observation, infos

    def step(self, actions: ArrayLike) -> tuple[Observation, NDArray[np.float64], Bools, Bools, Infos]:
        """Act once in every row.

        Raises:
            gymnasium.error.ResetNeeded: a row is over, or was never reset.
            gymnasium.error.InvalidAction: wrong shape, or NaN.
        """
        self._require_running_rows()
        touched = np.zeros(self.num_envs, np.bool_)
        for row, action in enumerate(self._clipped(actions)):
            state, touched[row] = self._advance(self._rows[row].state, action)
            self._rows[row] = self._rows[row]._replace(state=state)
        observation, rewards, infos = self._now(touched, np.ones(self.num_envs, np.bool_))
        success = infos["is_success"]
        terminated = np.zeros_like(success) if self.world.continuing_task else success.copy()
        return observation, rewards, terminated, self._end(terminated), infos

    def call(self, name: str, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        """Return an attribute of each row's environment, or its result if it is a method."""
        if name == "segment_actions":
            return tuple(self._segment(row) for row in self._rows) or (None,) * self.num_envs
        return super().call(name, *args, **kwargs)

    def render(self) -> tuple[NDArray[np.uint8], ...] | None:
        """Return one image per row, as the single form draws it."""
        if self.render_mode is None:
            gym.logger.warn(f'render() needs gym.make_vec("{self.env_id}", render_mode="rgb_array")')
            return None
        if not self._rows:
            raise gym.error.ResetNeeded(
                f"{self.env_id} was rendered before its first reset; call reset() before render()"
            )
        return tuple(self._drawn(row) for row in self._rows)

    def _now(self, touched: Bools, about: Bools) -> tuple[Observation, NDArray[np.float64], Infos]:
        states, goals = (np.array([row[at] for row in self._rows]) for at in (0, 1))
        observation = self._observed(states, goals)
        rewards, infos = self._judged(observation, touched)
        return observation, rewards, self._masked(infos, about)
