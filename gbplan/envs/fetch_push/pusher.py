"""A data-collection policy that pushes the cube about."""

from collections.abc import Sequence

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from gbplan import checks
from gbplan.envs.fetch_push.physics import REACH
from gbplan.envs.fetch_push.pushing import HIGH, LOW, push
from gbplan.envs.fetch_push.states import FEATURES
from gbplan.envs.fetch_push.tasks import MIDDLE, RANGE
from gbplan.envs.policy import Observation, Policy
from gbplan.seeds import policy_generators

ROAMS = 0.15  # share of plans that go to a random place, with the cube or without it
OFF_CENTRE = 0.015  # m, largest distance from the cube's middle at which pushes aim: off-centre pushes turn the cube
MIND_CHANGES = 0.05  # chance per step of a new plan
PATIENCE = 25  # steps for one plan

Floats = NDArray[np.float64]


class FetchPusherPolicy(Policy):
    """Push the cube from all sides to random places, at random speeds, independent of the goal.

    It moves behind the cube, over it or through it, and pushes it off its centre. In between it moves to random places,
    high or low. At random times it makes a new plan.
    """

    def __init__(self, action_noise: float = 0.2, max_speed: float = 1.0) -> None:
        """Set noise and speed.

        Args:
            action_noise: standard deviation of the Gaussian added to each action before clipping, in action units.
            max_speed: bound of actions without noise, in action units; each plan draws its own between a quarter of
                this and all of it.

        Raises:
            ValueError: a number is outside its range.
        """
        checks.not_negative(action_noise=action_noise)
        checks.positive(max_speed=max_speed)
        self.action_noise, self.max_speed = action_noise, max_speed
        self._pushers: list[_Pusher] = []

    def reset(self, envs: gym.vector.VectorEnv, seeds: Sequence[int]) -> None:
        """Begin one episode per row; see `reset`.

        Raises:
            ValueError: ``envs`` is not FetchPush, or the number of seeds is not the number of rows.
        """
        space = envs.single_observation_space
        seen = space.get("features") if isinstance(space, gym.spaces.Dict) else None
        if seen is None or seen.shape != (FEATURES,) or envs.single_action_space.shape != (4,):
            raise ValueError(
                f"FetchPusherPolicy is for gbplan/FetchPush-v0, whose features are {FEATURES} numbers and actions 4, "
                f"got {seen} and {envs.single_action_space}"
            )
        if len(seeds) != envs.num_envs:
            raise ValueError(f"expected one seed for each of {envs.num_envs} rows, got {len(seeds)} seeds")
        self._pushers = [_Pusher(rng, self.action_noise, self.max_speed) for rng in policy_generators(seeds)]

    def act(self, observation: Observation, active: NDArray[np.bool_] | None = None) -> NDArray[np.float32]:
        """Continue each row's push; see `act`. Rows that are not active stand still."""
        rows = observation["features"].astype(np.float64)
        if len(self._pushers) != len(rows):
            raise RuntimeError(
                f"FetchPusherPolicy was reset for {len(self._pushers)} rows, got {len(rows)}; call reset(envs, seeds)"
            )
        actions = np.zeros((len(rows), 4), np.float32)
        for row in range(len(rows)) if active is None else np.flatnonzero(active):
            actions[row] = self._pushers[row].act(rows[row, :3], rows[row, 3:6])
        return actions


class _Pusher:
    """The pusher of one episode."""

    def __init__(self, rng: np.random.Generator, action_noise: float, max_speed: float) -> None:
        self._rng, self._noise, self._max_speed = rng, action_noise, max_speed
        self._left = 0  # remaining steps of the current plan

    def act(self, grip: Floats, cube: Floats) -> NDArray[np.float32]:
        """Return the next action, ``(4,)``."""
        change, noise = self._rng.random(), self._rng.standard_normal(4)
        if self._left == 0 or change < MIND_CHANGES:
            self._plan()
        self._left -= 1
        if self._roams:
            action = np.append(self._target - grip, 0.0) / REACH
        else:
            action = push(grip, cube + self._aim, self._target, near=0.0)
        action = np.clip(action, -self._speed, self._speed) + self._noise * noise
        return np.clip(action, -1.0, 1.0).astype(np.float32)

    def _plan(self) -> None:
        rng = self._rng
        self._left = PATIENCE
        self._roams = rng.random() < ROAMS
        self._target = np.append(MIDDLE + rng.uniform(-RANGE, RANGE, 2), rng.uniform(LOW, HIGH))
        self._aim = np.append(rng.uniform(-OFF_CENTRE, OFF_CENTRE, 2), 0.0)
        self._speed = self._max_speed * rng.uniform(0.25, 1.0)
