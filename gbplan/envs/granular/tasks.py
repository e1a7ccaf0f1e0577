"""Tasks of the discs."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gbplan.envs.granular.physics import Physics
from gbplan.envs.granular.pusher import push
from gbplan.envs.granular.states import DISC_RADIUS, DISCS
from gbplan.envs.granular.world import World
from gbplan.envs.shapes import ShapeTasks, rounded

MIDDLE = 0.1  # largest distance (m, in x and y) of the drawn discs' square from the middle of the table
SPREAD = 0.15  # half the edge of this square, m
APART = 2.0 * DISC_RADIUS + 0.001  # least distance (m) between middles of drawn discs

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class GranularTasks(ShapeTasks):
    """Scattered discs as starts, and the pusher of `GranularPusherPolicy`."""

    world: World
    physics: Physics
    thing = "discs"
    moved = 0.02  # m

    def start(self, rng: np.random.Generator) -> Floats:
        """Draw discs that do not touch, in a square near the middle of the table."""
        places = np.empty((0, 2))
        while len(places) < DISCS:
            place = rng.uniform(-SPREAD, SPREAD, 2)
            if (np.linalg.norm(places - place, axis=1) >= APART).all():
                places = np.concatenate([places, place[None]])
        return rounded((places + rng.uniform(-MIDDLE, MIDDLE, 2)).ravel())

    def shape(self, state: Floats) -> Floats:
        """Return the state, which is its shape."""
        return state

    def step(self, state: Floats, action: Floats) -> Floats:
        """Return the next state."""
        return self.physics.push(state, action)[0]

    def pusher(self, rng: np.random.Generator) -> Callable[[Floats, Floats], NDArray[np.float32]]:
        """Return a new pusher."""
        return lambda state, shape: push(rng, state)
