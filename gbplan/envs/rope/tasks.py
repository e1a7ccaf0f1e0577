"""Tasks of the rope."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gbplan.envs.rope import states
from gbplan.envs.rope.physics import CLEAR, Physics
from gbplan.envs.rope.pusher import Pusher
from gbplan.envs.rope.states import LINK, NODES, PARKED, REACH, TIP
from gbplan.envs.rope.world import World
from gbplan.envs.shapes import ShapeTasks, rounded

MIDDLE = 0.1  # largest distance (m, in x and y) of a drawn rope's centre from the middle of the table
BENDS = 2.0  # standard deviation (rad) of the amplitudes of a drawn rope's bends
APART = 0.025  # least distance (m) of nodes of a drawn rope that are not neighbours
LEAD = 50  # most small steps before a segment starts

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class RopeTasks(ShapeTasks):
    """Bent ropes at rest as starts, and the pusher of `RopePusherPolicy`."""

    world: World
    physics: Physics
    thing = "rope"
    moved = 0.03  # m

    @property
    def lead(self) -> int:
        """Most steps of the pusher before a segment starts."""
        return 0 if self.world.action == "push" else LEAD

    def start(self, rng: np.random.Generator) -> Floats:
        """Draw a bent rope at rest; the tip is parked or, with small steps, beside the rope."""
        while True:
            along = np.linspace(0.0, 1.0, NODES - 1)
            heading = np.full(NODES - 1, rng.uniform(-math.pi, math.pi))
            for wave in (0.5, 1.0, 1.5):
                bend = rng.normal(0.0, BENDS / (2.0 * wave))
                heading += bend * np.cos(2.0 * math.pi * (wave * along + rng.random()))
            links = LINK * np.stack([np.cos(heading), np.sin(heading)], axis=-1)
            nodes = np.concatenate([np.zeros((1, 2)), np.cumsum(links, axis=0)])
            nodes += rng.uniform(-MIDDLE, MIDDLE, 2) - nodes.mean(axis=0)
            if np.abs(nodes).max() < REACH and _unknotted(nodes):
                break
        state = self.physics.settled(rounded(states.lying(nodes, PARKED)))
        if self.world.action == "push":
            return state
        shape = self.physics.nodes(state[None])[0]
        while True:
            place = rng.uniform(-REACH, REACH, 2)
            if states.gap(shape, place) > CLEAR:
                state[TIP] = rounded(place)
                return state

    def shape(self, state: Floats) -> Floats:
        """Return the positions of a state's nodes, float32 values, ``(42,)``."""
        return rounded(self.physics.nodes(state[None])[0].ravel())

    def step(self, state: Floats, action: Floats) -> Floats:
        """Return the next state."""
        return (self.physics.push if self.world.action == "push" else self.physics.small)(state, action)[0]

    def pusher(self, rng: np.random.Generator) -> Callable[[Floats, Floats], NDArray[np.float32]]:
        """Return a new pusher."""
        pusher = Pusher(rng)
        if self.world.action == "push":
            return lambda state, shape: pusher.act(shape)
        return lambda state, shape: pusher.act(np.append(shape, state[TIP]))


def _unknotted(nodes: Floats) -> bool:
    """Return whether the rope nowhere lies on itself."""
    apart = np.linalg.norm(nodes[:, None] - nodes[None], axis=-1)
    far_along = np.abs(np.arange(NODES)[:, None] - np.arange(NODES)) > 2
    return bool((apart[far_along] > APART).all())
