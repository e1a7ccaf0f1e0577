"""A data-collection policy that pushes the block about."""

from __future__ import annotations

import math
from collections.abc import Sequence

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from gbplan import checks
from gbplan.envs.policy import Observation, Policy
from gbplan.envs.push_t import geometry, states
from gbplan.envs.push_t.geometry import AGENT_HIGH, AGENT_LOW, BOARD
from gbplan.envs.push_t.physics import REACH
from gbplan.seeds import policy_generators

Point = tuple[float, float]

ROAMS = 0.1  # share of plans that go to a random place
CARELESS = 0.2  # share of plans that move straight, even through the block; the others go round it
INWARD = 0.9  # share of pushes that aim at the middle of the table, so that the block seldom ends up at a wall
ROUND = 105.0  # px from the middle of the block at which an agent passes it on all sides
MIDDLE = (0.25 * BOARD, 0.75 * BOARD)
MIND_CHANGES = 0.04  # chance per step of a new plan
ARRIVED = 12.0  # px
PATIENCE = 12  # largest number of steps for one target
PARTS = [part / 10 for part in range(1, 10)]  # fractions of a straight way at which to look for the block


class NoisyPusherPolicy(Policy):
    """Push the block from all sides, in random directions and at random speeds, independent of the goal.

    It goes round the block to a random place beside it, then through a random point of the block for a while, most
    often towards the middle of the table; in between, it moves to random places. Some plans go straight instead of
    round the block, and at random times it makes a new plan.
    """

    def __init__(self, action_noise: float = 0.15, max_speed: float = 1.0) -> None:
        """Set noise and speed.

        Args:
            action_noise: standard deviation of the Gaussian added to each action before clipping, in action units.
            max_speed: longest action without noise, in action units; each push draws its own between a quarter of this
                and all of it.

        Raises:
            ValueError: a number is outside its range.
        """
        checks.not_negative(action_noise=action_noise)
        checks.positive(max_speed=max_speed)
        self.action_noise, self.max_speed = action_noise, max_speed
        self._pushers: list[Pusher] = []

    def reset(self, envs: gym.vector.VectorEnv, seeds: Sequence[int]) -> None:
        """Begin one episode per row; see `reset`.

        Raises:
            ValueError: ``envs`` is not PushT, or the number of seeds is not the number of rows.
        """
        space = envs.single_observation_space
        seen = space.get("observation") if isinstance(space, gym.spaces.Dict) else None
        if seen is None or seen.shape != (states.STATE_SIZE,) or envs.single_action_space.shape != (2,):
            raise ValueError(
                f"NoisyPusherPolicy is for gbplan/PushT-v0, whose states are {states.STATE_SIZE} numbers and actions "
                f"2, got {seen} and {envs.single_action_space}"
            )
        if len(seeds) != envs.num_envs:
            raise ValueError(f"expected one seed for each of {envs.num_envs} rows, got {len(seeds)} seeds")
        self._pushers = [Pusher(rng, self.action_noise, self.max_speed) for rng in policy_generators(seeds)]

    def act(self, observation: Observation, active: NDArray[np.bool_] | None = None) -> NDArray[np.float32]:
        """Continue each row's push; see `act`. Rows that are not active stand still."""
        rows = observation["observation"].tolist()
        if len(self._pushers) != len(rows):
            raise RuntimeError(
                f"NoisyPusherPolicy was reset for {len(self._pushers)} rows, got {len(rows)}; call reset(envs, seeds)"
            )
        actions = np.zeros((len(rows), 2), np.float32)
        for row in range(len(rows)) if active is None else np.flatnonzero(active):
            actions[row] = self._pushers[row].act(rows[row])
        return actions


class Pusher:
    """The noisy pusher of one episode."""

    def __init__(self, rng: np.random.Generator, action_noise: float = 0.15, max_speed: float = 1.0) -> None:
        """Begin without a plan; see `NoisyPusherPolicy`."""
        self._rng, self._noise, self._max_speed = rng, action_noise, max_speed
        self._ways: list[Point] = []  # targets, in order
        self._left = 0  # remaining steps for the current one
        self._speed = 0.0

    def act(self, state: Sequence[float]) -> NDArray[np.float32]:
        """Return the next action, ``(2,)``."""
        x, y = state[:2]
        if self._ways and (self._left == 0 or math.dist(self._ways[0], (x, y)) < ARRIVED):
            self._ways, self._left = self._ways[1:], PATIENCE
        change = self._rng.random()
        noise_x, noise_y = self._rng.standard_normal(2).tolist()
        if not self._ways or change < MIND_CHANGES:
            self._ways, self._left = self._plan(state), PATIENCE
            self._speed = self._max_speed * self._rng.uniform(0.25, 1.0)
        self._left -= 1
        dx, dy = (self._ways[0][0] - x) / REACH, (self._ways[0][1] - y) / REACH
        slower = min(1.0, self._speed / max(math.hypot(dx, dy), 1e-9))
        action = [dx * slower + self._noise * noise_x, dy * slower + self._noise * noise_y]
        return np.clip(action, -1.0, 1.0).astype(np.float32)

    def _plan(self, state: Sequence[float]) -> list[Point]:
        """Return new targets."""
        rng, pose = self._rng, state[states.BLOCK]
        roams, straight = rng.random() < ROAMS, rng.random() < CARELESS
        if roams:
            x, y = rng.uniform(AGENT_LOW, AGENT_HIGH, 2).tolist()
            return [(x, y)] if straight else [*_way_round((state[0], state[1]), (x, y), pose), (x, y)]
        left, right, top, bottom = geometry.BAR if rng.random() < 0.5 else geometry.STEM
        ((x, y),) = geometry.on_board(pose, [(rng.uniform(left, right), rng.uniform(top, bottom))])
        aim_x, aim_y = rng.uniform(*MIDDLE, 2).tolist()
        direction = math.atan2(aim_y - y, aim_x - x) if rng.random() < INWARD else rng.uniform(-math.pi, math.pi)
        dx, dy = math.cos(direction), math.sin(direction)
        back, on = 0.0, rng.uniform(0.0, 120.0)
        clearance = rng.uniform(5.0, 40.0)
        while geometry.overlap(x - back * dx, y - back * dy, pose) > -clearance:
            back += 10.0
        begin, end = _on_table(x - back * dx, y - back * dy), _on_table(x + on * dx, y + on * dy)
        return [begin, end] if straight else [*_way_round((state[0], state[1]), begin, pose), begin, end]


def _way_round(start: Point, end: Point, pose: geometry.Pose) -> list[Point]:
    """Return way points between two places, on a circle about the block; none if the block is not in between."""
    ((x, y),) = geometry.on_board(pose, [(0.0, 50.0)])
    between = [(start[0] + part * (end[0] - start[0]), start[1] + part * (end[1] - start[1])) for part in PARTS]
    if all(geometry.overlap(*place, pose) < 0.0 for place in between):
        return []
    angle = math.atan2(start[1] - y, start[0] - x)
    turn = math.remainder(math.atan2(end[1] - y, end[0] - x) - angle, math.tau)
    steps = max(round(abs(turn) / (math.pi / 4)), 1)
    angles = [angle + turn * step / steps for step in range(1, steps + 1)]
    return [_on_table(x + ROUND * math.cos(angle), y + ROUND * math.sin(angle)) for angle in angles]


def _on_table(x: float, y: float) -> Point:
    return min(max(x, AGENT_LOW), AGENT_HIGH), min(max(y, AGENT_LOW), AGENT_HIGH)
