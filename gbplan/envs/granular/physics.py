"""Pymunk's simulation of discs on a table, and of the bar that pushes them."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gbplan.envs.granular.states import DISC_RADIUS, DISCS, FIELD, REACH
from gbplan.envs.shapes import rounded

SPEED = 0.3  # of the bar, m/s
DT = 0.005  # s of a simulation step
HALF_LENGTH, BAR_RADIUS = 0.06, 0.005  # of the bar: a segment with round ends, m
CLEAR = DISC_RADIUS + BAR_RADIUS + 0.001  # least distance (m) of discs from the bar's middle line when it comes down
BACK = 0.005  # m by which the start of a push moves back until it is clear
UNIT = 0.01  # m, pymunk's unit of length here: its tolerances are made for lengths of about 1
SLOP = 0.0001  # m by which discs may overlap; smaller overlaps are not corrected, so that discs come to rest
KEPT = 0.7  # share of a larger overlap that is left after a simulation step
LOOK = 10  # simulation steps between checks whether the discs are at rest
STILL = 1e-5  # m; discs that move less from check to check are at rest
SETTLING = 100  # most checks after a push

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Physics:
    """The dynamics: a function of state and action alone, bit for bit, because each push has a space of its own.

    Attributes:
        friction: Coulomb coefficient between discs, and between discs and bar.
        damping: share of its velocity that a free disc keeps in a second.
    """

    friction: float
    damping: float

    def push(self, state: Floats, action: Floats) -> tuple[Floats, bool]:
        """Push once, along a straight line.

        Args:
            state: x and y of the discs, float32 values, ``(60,)``.
            action: start and end of the push, in units of ``REACH``, ``(4,)``.

        Returns:
            The next state, and whether the bar touched a disc.
        """
        begin, end = REACH * action[:2], REACH * action[2:]
        length = math.hypot(*(end - begin))
        if length == 0.0:
            return state, False
        discs = state.reshape(DISCS, 2)
        ahead = (end - begin) / length
        bar = HALF_LENGTH * np.array([-ahead[1], ahead[0]])
        while _gap(discs, begin, bar) < CLEAR:
            begin = begin - BACK * ahead
        space, pusher, bodies = self._space(discs, begin, bar)
        steps = math.ceil(math.dist(begin, end) / (SPEED * DT))
        pusher.velocity = ((end - begin) / (UNIT * DT * steps)).tolist()
        contacts: list[Any] = []
        for _ in range(steps):
            space.step(DT)
            if not contacts:
                pusher.each_arbiter(contacts.append)
        if not contacts:
            return state, False
        space.remove(pusher, *pusher.shapes)
        after = _places(bodies)
        for _ in range(SETTLING):
            before = after
            for _ in range(LOOK):
                space.step(DT)
            after = _places(bodies)
            if np.abs(after - before).max() < STILL:
                break
        return rounded(np.clip(after, -FIELD, FIELD).ravel()), True

    def _space(self, discs: Floats, begin: Floats, bar: Floats) -> tuple[Any, Any, list[Any]]:
        """Return a new space with bar and discs, the bar's body and those of the discs."""
        import pymunk  # takes a tenth of a second, so it is imported only when needed

        space = pymunk.Space()
        space.damping = self.damping
        space.iterations = 20  # rows of discs that push each other need more than pymunk's 10
        space.collision_slop = SLOP / UNIT
        space.collision_bias = KEPT ** (1.0 / DT)
        pusher = pymunk.Body(body_type=pymunk.Body.KINEMATIC)
        pusher.position = (begin / UNIT).tolist()
        ends = (-bar / UNIT).tolist(), (bar / UNIT).tolist()
        edge = pymunk.Segment(pusher, *ends, BAR_RADIUS / UNIT)
        radius = DISC_RADIUS / UNIT
        bodies: list[Any] = []
        shapes: list[Any] = [edge]
        for place in (discs / UNIT).tolist():
            body = pymunk.Body(1.0, pymunk.moment_for_circle(1.0, 0.0, radius))
            body.position = place
            bodies.append(body)
            shapes.append(pymunk.Circle(body, radius))
        for shape in shapes:
            shape.friction = math.sqrt(self.friction)  # pymunk multiplies the frictions of the two shapes that touch
        space.add(pusher, *bodies, *shapes)
        return space, pusher, bodies


def _places(bodies: list[Any]) -> Floats:
    return UNIT * np.array([body.position for body in bodies])


def _gap(discs: Floats, middle: Floats, bar: Floats) -> float:
    """Return the least distance (m) of discs ``(30, 2)`` from the segment from ``middle - bar`` to ``middle + bar``."""
    seen = discs - middle
    along = np.clip(seen @ bar / (bar @ bar), -1.0, 1.0)
    beside = seen - along[:, None] * bar
    return float(np.sqrt((beside * beside).sum(axis=1)).min())
