"""A policy that pushes the rope at random: it collects training data, and its pushes define segment goals."""

import math
from collections.abc import Sequence

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from gbplan import checks
from gbplan.envs.policy import Observation, Policy
from gbplan.envs.rope.physics import STRIDE
from gbplan.envs.rope.states import GOAL_SIZE, NODES, REACH
from gbplan.envs.shapes import draw_push
from gbplan.seeds import policy_generators

BEFORE, THROUGH = (0.03, 0.1), (0.02, 0.2)  # ranges (m) of the distances from a node to start and end of a push
ROAMS = 0.1  # with small steps: share of targets drawn anywhere on the table
MIND_CHANGES = 0.04  # probability of a new target, per small step
ARRIVED = 0.01  # distance (m) at which a target counts as reached
PATIENCE = 20  # most small steps for one target

Floats = NDArray[np.float64]


class RopePusherPolicy(Policy):
    """Push random nodes of the rope in random directions, mostly towards the middle of the table; ignore the goal.

    With pushes as actions, each push is drawn independently. With small steps, the tip moves to the start of such a
    push and then along it, at a random speed; some targets are random places, and now and then a new target is drawn.
    """

    def __init__(self, action_noise: float = 0.05, max_speed: float = 1.0) -> None:
        """Set noise and speed.

        Args:
            action_noise: standard deviation of the Gaussian added to each action before clipping, in action units.
            max_speed: longest small step without noise, in action units; each push draws its own between 0.4 times
                this and this.

        Raises:
            ValueError: a number is outside its range.
        """
        checks.not_negative(action_noise=action_noise)
        checks.positive(max_speed=max_speed)
        self.action_noise, self.max_speed = action_noise, max_speed
        self._pushers: list[Pusher] = []

    def reset(self, envs: gym.vector.VectorEnv, seeds: Sequence[int]) -> None:
        """Start one episode per row; see `reset`.

        Raises:
            ValueError: ``envs`` is not Rope, or there is not one seed per row.
        """
        space, actions = envs.single_observation_space, envs.single_action_space.shape
        seen = space.get("features") if isinstance(space, gym.spaces.Dict) else None
        shapes = None if seen is None else (seen.shape, actions)
        if shapes not in (((GOAL_SIZE,), (4,)), ((GOAL_SIZE + 2,), (2,))):
            raise ValueError(
                f"RopePusherPolicy is for gbplan/Rope-v0, whose features are {GOAL_SIZE} or {GOAL_SIZE + 2} numbers "
                f"and actions 4 or 2, got {seen} and {envs.single_action_space}"
            )
        if len(seeds) != envs.num_envs:
            raise ValueError(f"expected one seed for each of {envs.num_envs} rows, got {len(seeds)} seeds")
        self._pushers = [Pusher(rng, self.action_noise, self.max_speed) for rng in policy_generators(seeds)]
        self._size = actions[0]  # type: ignore[index]  # known by now

    def act(self, observation: Observation, active: NDArray[np.bool_] | None = None) -> NDArray[np.float32]:
        """Continue each row's push; see `act`. Inactive rows stand still."""
        rows = observation["features"].astype(np.float64)
        if len(self._pushers) != len(rows):
            raise RuntimeError(
                f"RopePusherPolicy was reset for {len(self._pushers)} rows, got {len(rows)}; call reset(envs, seeds)"
            )
        actions = np.zeros((len(rows), self._size), np.float32)
        for row in range(len(rows)) if active is None else np.flatnonzero(active):
            actions[row] = self._pushers[row].act(rows[row])
        return actions


class Pusher:
    """The pusher of one episode."""

    def __init__(self, rng: np.random.Generator, action_noise: float = 0.05, max_speed: float = 1.0) -> None:
        """Start without targets; see `RopePusherPolicy`."""
        self._rng, self._noise, self._max_speed = rng, action_noise, max_speed
        self._ways: list[Floats] = []  # targets of the tip, in order
        self._left = 0  # small steps left for the current target
        self._speed = 0.0

    def act(self, features: Floats) -> NDArray[np.float32]:
        """Return the next action: a push for features ``(42,)``, a small step for those ``(44,)`` with the tip."""
        nodes, tip = features[:GOAL_SIZE].reshape(NODES, 2), features[GOAL_SIZE:]
        action = self._small_step(nodes, tip) if tip.size else np.concatenate(self._push(nodes)) / REACH
        noisy = action + self._noise * self._rng.standard_normal(action.shape)
        return np.clip(noisy, -1.0, 1.0).astype(np.float32)

    def _push(self, nodes: Floats) -> list[Floats]:
        """Return start and end of a push."""
        return draw_push(self._rng, nodes, BEFORE, THROUGH)

    def _small_step(self, nodes: Floats, tip: Floats) -> Floats:
        rng = self._rng
        if self._ways and (self._left == 0 or math.dist(self._ways[0], tip) < ARRIVED):
            self._ways, self._left = self._ways[1:], PATIENCE
        if not self._ways or rng.random() < MIND_CHANGES:
            anywhere = rng.random() < ROAMS
            self._ways = [rng.uniform(-REACH, REACH, 2)] if anywhere else self._push(nodes)
            self._left, self._speed = PATIENCE, self._max_speed * rng.uniform(0.4, 1.0)
        self._left -= 1
        way = (self._ways[0] - tip) / STRIDE
        return way * min(1.0, self._speed / max(math.hypot(*way), 1e-9))
