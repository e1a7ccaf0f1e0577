"""How agent and block move: one step of PushT, a function of state and action alone."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from gbplan.envs.push_t import geometry
from gbplan.envs.push_t.geometry import AGENT_HIGH, AGENT_LOW, AGENT_RADIUS, HIGH, LOW, RADIUS

REACH = 100.0  # px from the agent to its target, for an action of 1
STIFFNESS, AGENT_DAMPING = 100.0, 20.0  # of the agent's controller, 1/s^2 and 1/s
INNER_STEPS, DT = 10, 0.01  # a control step is a tenth of a second

# Limits of a state's velocities. The agent keeps to its own: in an inner step it loses a fifth of its speed, and gains
# at most REACH px/s. The block's are cut there, at several times of what an agent can give it.
AGENT_SPEED = REACH / (AGENT_DAMPING * DT)
BLOCK_SPEED, BLOCK_SPIN = 2000.0, 50.0

SQUEEZE = 6.0  # px that a block at a wall may lie in wall and agent, taken together
AT_WALL = 2.0  # px from a wall; there, a block is at it
THICKNESS = 200.0  # px, of the walls: nothing is pushed through them


class Physics:
    """The world of PushT in pymunk, in the field's setting.

    Hundred inner steps a second; an agent that a PD controller moves towards its target, whatever is in its way (a
    kinematic body); a block of two rectangles.

    A control step begins with nothing but the state. Bodies are placed, and the contacts of the step before are
    forgotten: impulses that the solver would begin with, and corrections it still had in mind. So the next state
    depends on state and action alone, to the last bit, whatever came before. Environments that keep their contacts,
    as the field's do, come to the same within a few hundredths of a pixel a step.

    The field's worlds break down where an agent presses a block against a wall, and push one through the other. In this
    one, agent and block stand still for an inner step after which the block, at a wall, would lie more than ``SQUEEZE``
    px deep in wall and agent; and an agent is stopped by walls as well.
    """

    def __init__(self, friction: float, damping: float) -> None:
        """Set the table up.

        Args:
            friction: Coulomb coefficient of the block's edge against agent and walls, >= 0.
            damping: share of its velocity that a block left alone has after a second, 0 to 1.
        """
        import pymunk  # takes a tenth of a second, so only those who play wait for it

        self.friction, self.damping = friction, damping
        self._space = space = pymunk.Space()
        space.damping = damping
        low, high = LOW - THICKNESS, HIGH + THICKNESS
        corners = [(low, low), (low, high), (high, high), (high, low)]
        for start, end in zip(corners, corners[1:] + corners[:1], strict=True):
            wall = pymunk.Segment(space.static_body, start, end, THICKNESS)
            wall.friction = 1.0
            space.add(wall)
        self._agent = pymunk.Body(body_type=pymunk.Body.KINEMATIC)
        disc = pymunk.Circle(self._agent, AGENT_RADIUS)
        disc.friction = 1.0  # pymunk multiplies those of the two that touch
        bar, stem = geometry.rectangle(geometry.BAR), geometry.rectangle(geometry.STEM)
        # Not the T's own moment of inertia and centre of mass, but those that the field gives it.
        self._block = pymunk.Body(1.0, 2.0 * pymunk.moment_for_poly(1.0, bar))
        parts = [pymunk.Poly(self._block, bar), pymunk.Poly(self._block, stem)]
        for part in parts:
            part.friction = friction
        self._block.center_of_gravity = (0.0, 45.0)
        self._shapes = (disc, *parts)
        space.add(self._agent, self._block, *self._shapes)
        self._forget_corrections = pymunk.Body.update_position

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.friction, self.damping)

    def step(self, state: Sequence[float], action_x: float, action_y: float) -> tuple[list[float], bool]:
        """Move for a tenth of a second.

        Args:
            state: see :mod:`gbplan.envs.push_t.states`.
            action_x: target of the agent, from where it is now, in units of ``REACH``; -1 to 1.
            action_y: likewise.

        Returns:
            The next state, float32 numbers, and whether agent and block touched.
        """
        x, y, block_x, block_y, cos, sin, vx, vy, block_vx, block_vy, spin = state
        agent, block, advance = self._agent, self._block, self._space.step
        target_x, target_y = x + REACH * action_x, y + REACH * action_y
        angle = math.atan2(sin, cos)
        self._place((x, y), (block_x, block_y), angle, (block_vx, block_vy), spin)
        squeezed = _squeeze(x, y, block_x, block_y, angle)
        contacts: list[Any] = []
        for _ in range(INNER_STEPS):
            vx += (STIFFNESS * (target_x - x) - AGENT_DAMPING * vx) * DT
            vy += (STIFFNESS * (target_y - y) - AGENT_DAMPING * vy) * DT
            vx = min(max(vx, (AGENT_LOW - x) / DT), (AGENT_HIGH - x) / DT)
            vy = min(max(vy, (AGENT_LOW - y) / DT), (AGENT_HIGH - y) / DT)
            agent.velocity = (vx, vy)
            before = block_x, block_y, angle
            advance(DT)
            if not contacts:
                agent.each_arbiter(contacts.append)
            (block_x, block_y), angle = block.position, block.angle
            now = _squeeze(x + vx * DT, y + vy * DT, block_x, block_y, angle)
            if now > SQUEEZE and now > squeezed:
                vx = vy = 0.0
                block_x, block_y, angle = before
                self._place((x, y), (block_x, block_y), angle, (0.0, 0.0), 0.0)
                advance(DT)
                now = squeezed
            # As pymunk moves a kinematic body, which saves asking it.
            x, y, squeezed = x + vx * DT, y + vy * DT, now
        block_vx, block_vy = block.velocity
        moved = np.array(
            [
                *(x, y, block_x, block_y, math.cos(angle), math.sin(angle), vx, vy),
                *(
                    _clip(block_vx, BLOCK_SPEED),
                    _clip(block_vy, BLOCK_SPEED),
                    _clip(block.angular_velocity, BLOCK_SPIN),
                ),
            ],
            np.float32,
        )
        return moved.tolist(), bool(contacts)

    def _place(
        self,
        agent: tuple[float, float],
        block: tuple[float, float],
        angle: float,
        velocity: tuple[float, float],
        spin: float,
    ) -> None:
        """Put agent and block where they are, with no memory of where they were."""
        space, shapes, body = self._space, self._shapes, self._block
        space.remove(*shapes)  # and with them their contacts
        self._forget_corrections(body, 0.0)
        self._agent.position, self._agent.velocity = agent, (0.0, 0.0)
        body.angle = angle  # first, since the block turns about its centre of mass
        body.position, body.velocity, body.angular_velocity = block, velocity, spin
        space.add(*shapes)


def _squeeze(x: float, y: float, block_x: float, block_y: float, angle: float) -> float:
    """Return how deep a block at a wall lies in wall and agent, px; 0 away from walls."""
    clear = RADIUS + AT_WALL
    if LOW + clear < block_x < HIGH - clear and LOW + clear < block_y < HIGH - clear:
        return 0.0
    pose = block_x, block_y, math.cos(angle), math.sin(angle)
    beyond = geometry.beyond_walls(pose)
    return 0.0 if beyond < -AT_WALL else max(beyond, 0.0) + max(geometry.overlap(x, y, pose), 0.0)


def _clip(value: float, limit: float) -> float:
    return -limit if value < -limit else limit if value > limit else value
