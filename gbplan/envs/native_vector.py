"""Base class of native vector environments."""

from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.utils import seeding
from gymnasium.vector.utils import batch_space
from numpy.typing import ArrayLike, NDArray

Bools = NDArray[np.bool_]
Infos = dict[str, Any]


class NativeVectorEnv(gym.vector.VectorEnv[dict[str, Any], NDArray[Any], NDArray[Any]]):
    """N rows without autoreset, each with its own random generator, time and end.

    A subclass writes ``reset`` and ``step`` with the methods below, and counts in ``_elapsed``, ``_over`` and
    ``_begun``, ``(N,)`` each: steps taken in the episode, whether it has ended, whether one has begun. All rows share
    one world, which answers ``call`` and ``get_attr``.
    """

    env_id: str  # for messages

    def __init__(
        self,
        num_envs: int,
        max_episode_steps: int | None,
        render_mode: str | None,
        observation_space: gym.spaces.Dict,
        action_space: gym.spaces.Box,
    ) -> None:
        """Make the rows.

        Args:
            num_envs: number of rows, N.
            max_episode_steps: rows are truncated after so many steps; None: never.
            render_mode: ``"rgb_array"``, or None.
            observation_space: space of one row.
            action_space: space of one row, with actions ``(A,)`` in [-1, 1].

        Raises:
            ValueError: an argument is outside its range.
        """
        for name, count in (("num_envs", num_envs), ("max_episode_steps", max_episode_steps)):
            if count is not None and count < 1:
                raise ValueError(f"{name} must be at least 1, got {count}")
        check_render_mode(render_mode)
        self.num_envs = num_envs
        self.max_episode_steps = max_episode_steps
        self.render_mode = render_mode
        self.single_observation_space = observation_space
        self.single_action_space = action_space
        self.observation_space = batch_space(observation_space, num_envs)
        self.action_space = batch_space(action_space, num_envs)
        self._generators: list[np.random.Generator] = []
        self._seeds: list[int] = []
        self._elapsed = np.zeros(num_envs, np.int64)
        self._over = np.zeros(num_envs, np.bool_)
        self._begun = np.zeros(num_envs, np.bool_)

    def call(self, name: str, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        """Return an attribute of each row's environment, or its result if it is a method.

        Raises:
            AttributeError: there is no attribute of that name.
            ValueError: it is ``reset``, ``step`` or ``close``, which act on all rows together.
        """
        if name in ("reset", "step", "close"):
            raise ValueError(f"{name} cannot be called row by row; call {name} of the vector environment itself")
        if name in ("np_random", "np_random_seed"):
            return tuple(getattr(self, name))
        if name == "render":
            return self.render() or (None,) * self.num_envs
        value = getattr(self, f"single_{name}" if name in ("observation_space", "action_space") else name)
        # One call for every row: the result may be an object with state.
        return tuple(value(*args, **kwargs) if callable(value) else value for _ in range(self.num_envs))

    def get_attr(self, name: str) -> tuple[Any, ...]:
        """Return an attribute of each row's environment; see ``call``."""
        return self.call(name)

    def set_attr(self, name: str, values: Any) -> None:
        """Set an attribute of all rows' environments; ``np_random`` is set for each row.

        Args:
            name: name of the attribute.
            values: one value for all rows, or a list or tuple with one for each.

        Raises:
            ValueError: the number of values is wrong, or they differ: all rows share one world.
        """
        rows = [*values] if isinstance(values, list | tuple) else [values] * self.num_envs
        if len(rows) != self.num_envs:
            raise ValueError(f"{name} must have one value for each of {self.num_envs} rows, got {len(rows)}")
        if name == "np_random":
            self._seed(None, [])
            self._generators = rows
            return
        if any(value is not rows[0] and value != rows[0] for value in rows):
            raise ValueError(
                f"{name} must be the same in all rows, since one world serves them, got {rows[:5]}; make the "
                "environment with vectorization_mode='sync'"
            )
        setattr(self, name, rows[0])

    @property  # type: ignore[misc]
    def np_random(self) -> tuple[np.random.Generator, ...]:  # type: ignore[override]
        """The rows' random generators, as Gymnasium's SyncVectorEnv has them."""
        self._seed(None, [])
        return tuple(self._generators)

    @property
    def np_random_seed(self) -> tuple[int, ...]:  # type: ignore[override]
        """The seeds of the rows' random generators."""
        self._seed(None, [])
        return tuple(self._seeds)

    def _seed(self, seed: int | Sequence[int | None] | None, rows: list[int]) -> None:
        """Seed the given rows; a row without a seed keeps its generator, or gets a first one at random."""
        if seed is None:
            seeds: list[int | None] = [None] * self.num_envs
        elif isinstance(seed, int | np.integer):
            seeds = [int(seed) + row for row in range(self.num_envs)]
        else:
            seeds = [None if value is None else int(value) for value in seed]
        if len(seeds) != self.num_envs:
            raise ValueError(f"expected one seed for each of {self.num_envs} rows, got {len(seeds)} seeds")
        if not self._generators:
            # The first reset covers all rows.
            drawn = [seeding.np_random(value) for value in seeds]
            self._generators, self._seeds = [rng for rng, _ in drawn], [value for _, value in drawn]
            return
        for row in rows:
            if seeds[row] is not None:
                self._generators[row], self._seeds[row] = seeding.np_random(seeds[row])

    def _checked_mask(self, mask: Any) -> Bools:
        # The same refusals as Gymnasium's SyncVectorEnv.
        if not isinstance(mask, np.ndarray):
            raise TypeError(f"options['reset_mask'] must be a numpy array, got {type(mask)}")
        if mask.shape != (self.num_envs,):
            raise ValueError(f"options['reset_mask'] must have shape ({self.num_envs},), got {mask.shape}")
        if mask.dtype != np.bool_:
            raise TypeError(f"options['reset_mask'] must have dtype bool, got {mask.dtype}")
        if not mask.any():
            raise ValueError("options['reset_mask'] must hold at least one True, got none; nothing would be reset")
        if not (mask | self._begun).all():
            raise gym.error.ResetNeeded("the first reset must be of all rows; call reset() without reset_mask")
        return mask

    def _require_running_rows(self) -> None:
        if not self._begun.all():
            raise gym.error.ResetNeeded(f"{self.env_id} was stepped before its first reset; call reset() before step()")
        if self._over.any():
            rows = np.flatnonzero(self._over).tolist()
            named = ", ".join(map(str, rows[:10])) + (f" and {len(rows) - 10} more" if len(rows) > 10 else "")
            raise gym.error.ResetNeeded(
                f"rows {named} are over; reset them before the next step, with "
                "reset(options={'reset_mask': terminated | truncated})"
            )

    def _clipped(self, actions: ArrayLike) -> NDArray[np.float64]:
        array = np.asarray(actions, np.float64)
        if array.shape != self.action_space.shape:
            raise gym.error.InvalidAction(f"actions must have shape {self.action_space.shape}, got {array.shape}")
        if np.isnan(array).any():
            rows = np.flatnonzero(np.isnan(array).any(axis=1)).tolist()
            raise gym.error.InvalidAction(f"actions must not be NaN, got NaN in rows {rows[:10]}")
        return np.clip(array, -1.0, 1.0)

    def _begin(self, mask: Bools) -> None:
        """Start the clock of the rows that are reset."""
        self._elapsed[mask] = 0
        self._over[mask] = False
        self._begun[mask] = True

    def _end(self, terminated: Bools) -> Bools:
        """Count a step of every row and return which are truncated."""
        self._elapsed += 1
        if self.max_episode_steps is None:
            truncated = np.zeros(self.num_envs, np.bool_)
        else:
            truncated = self._elapsed >= self.max_episode_steps
        self._over = terminated | truncated
        return truncated

    @staticmethod
    def _masked(infos: Infos, rows: Bools) -> Infos:
        """Return infos ``(N,)``, zero for rows without an entry, with Gymnasium's masks of the rows that have one."""
        if not rows.all():
            infos = {key: np.where(rows, values, np.zeros_like(values)) for key, values in infos.items()}
        return infos | {f"_{key}": rows.copy() for key in infos}


def check_render_mode(render_mode: str | None) -> None:
    """Refuse unknown render modes, about which Gymnasium itself would only warn."""
    if render_mode not in (None, "rgb_array"):
        raise ValueError(f"render_mode must be None or 'rgb_array', got {render_mode!r}")
