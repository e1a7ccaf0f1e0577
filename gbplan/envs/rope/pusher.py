"""A policy that pushes the rope about: data to learn from, and the pushes that goals are made of."""

import math
from collections.abc import Sequence

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from gbplan import checks
from gbplan.envs.policy import Observation, Policy
from gbplan.envs.rope.physics import STRIDE
from gbplan.envs.rope.states import GOAL_SIZE, NODES, REACH
from gbplan.seeds import policy_generators

INWARD = 0.9  # share of pushes that aim at the middle of the table, so that the rope stays in reach
MIDDLE = 0.15  # m from the middle of the table, in x and y, where they aim
BEFORE, THROUGH = (0.03, 0.1), (0.02, 0.2)  # m from a node, where pushes begin and end
ROAMS = 0.1  # share of small steps' ways that go anywhere
MIND_CHANGES = 0.04  # per small step
ARRIVED = 0.01  # m
PATIENCE = 20  # small steps for one way

Floats = NDArray[np.float64]


class RopePusherPolicy(Policy):
    """Push random nodes of the rope in random directions, most often towards the middle; goals do not matter to it.

    Where actions are pushes, each one is drawn by itself. Where they are small steps, it goes to where such a push
    begins, and then along it, at a random speed; in between, it goes anywhere, and now and then it changes its mind.
    """

    def __init__(self, action_noise: float = 0.05, max_speed: float = 1.0) -> None:
        """Set how it acts.

        Args:
            action_noise: standard deviation of the Gaussian added to each action before clipping, in action units.
            max_speed: longest small step without noise, in action units; each way draws its own between two fifths of
                this and all of it.

        Raises:
            ValueError: a number is outside its range.
        """
        checks.not_negative(action_noise=action_noise)
        checks.positive(max_speed=max_speed)
        self.action_noise, self.max_speed = action_noise, max_speed
        self._pushers: list[Pusher] = []

    def reset(self, envs: gym.vector.VectorEnv, seeds: Sequence[int]) -> None:
        """Begin one episode per row; see :meth:`Policy.reset`.

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
        """Go on with each row's push; see :meth:`Policy.act`. Rows that are not active stand still."""
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
        """Begin without a plan; see :class:`RopePusherPolicy`."""
        self._rng, self._noise, self._max_speed = rng, action_noise, max_speed
        self._ways: list[Floats] = []  # where the tip is to go, one after the other
        self._left = 0  # small steps for the present way
        self._speed = 0.0

    def act(self, features: Floats) -> NDArray[np.float32]:
        """Return the next action: a push for features ``(42,)``, a small step for those ``(44,)`` with the tip."""
        nodes, tip = features[:GOAL_SIZE].reshape(NODES, 2), features[GOAL_SIZE:]
        action = self._small_step(nodes, tip) if tip.size else np.concatenate(self._push(nodes)) / REACH
        noisy = action + self._noise * self._rng.standard_normal(action.shape)
        return np.clip(noisy, -1.0, 1.0).astype(np.float32)

    def _push(self, nodes: Floats) -> list[Floats]:
        """Return where a push begins and ends."""
        rng = self._rng
        node = nodes[rng.integers(NODES)]
        angle, aim = rng.uniform(-math.pi, math.pi), rng.uniform(-MIDDLE, MIDDLE, 2) - node
        if rng.random() < INWARD:
            angle = math.atan2(aim[1], aim[0])
        direction = np.array([math.cos(angle), math.sin(angle)])
        return [node - rng.uniform(*BEFORE) * direction, node + rng.uniform(*THROUGH) * direction]

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
