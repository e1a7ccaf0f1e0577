"""The dynamics of PushT: one step, a function of state and action alone."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from gbplan.envs.push_t import geometry
from gbplan.envs.push_t.geometry import AGENT_HIGH, AGENT_LOW, AGENT_RADIUS, HIGH, LOW, RADIUS, Point

REACH = 100.0  # px from the agent to its target, for an action of 1
STIFFNESS, AGENT_DAMPING = 100.0, 20.0  # gains of the agent's controller, 1/s^2 and 1/s
INNER_STEPS, DT = 10, 0.01  # a control step is a tenth of a second

# Limits of a state's velocities. The agent stays within its own: in an inner step it loses a fifth of its speed, and
# gains at most REACH px/s. The block's are clipped, at several times the speed that an agent can cause.
AGENT_SPEED = REACH / (AGENT_DAMPING * DT)
BLOCK_SPEED, BLOCK_SPIN = 2000.0, 50.0

SQUEEZE = 6.0  # px; largest depth of a block at a wall in wall and agent together
AT_WALL = 2.0  # px; a block this near to a wall is at it
THICKNESS = 200.0  # px; thickness of the walls, so that nothing is pushed through them
CLEAR = 1.0  # px; bodies further apart than this do not touch


class Physics:
    """The world of PushT in pymunk, in the original setting.

    It takes a hundred inner steps per second. The agent is a kinematic body, which a PD controller moves towards its
    target, whatever is in its way. The block consists of two rectangles.

    A control step begins from the state alone, in a new space: without the contacts, the solver's impulses and its
    pending corrections of the step before. So the next state depends on state and action alone, to the last bit.
    Environments that keep their contacts, such as the original, agree within a few hundredths of a pixel per step.

    In the original, an agent that presses a block against a wall pushes one through the other. Here, agent and block
    stand still for an inner step after which the block, at a wall, would lie more than ``SQUEEZE`` px deep in wall and
    agent; and walls stop the agent as well.
    """

    def __init__(self, friction: float, damping: float) -> None:
        """Set the table up.

        Args:
            friction: Coulomb coefficient of the block's edge against agent and walls, >= 0.
            damping: share of its velocity that a free block keeps in a second, 0 to 1.
        """
        import pymunk  # takes a tenth of a second, so it is imported only when needed

        self.friction, self.damping = friction, damping
        self._new_space, self._forget_corrections = pymunk.Space, pymunk.Body.update_position
        self._table = pymunk.Body(body_type=pymunk.Body.STATIC)
        low, high = LOW - THICKNESS, HIGH + THICKNESS
        corners = [(low, low), (low, high), (high, high), (high, low)]
        walls = [
            pymunk.Segment(self._table, start, end, THICKNESS)
            for start, end in zip(corners, corners[1:] + corners[:1], strict=True)
        ]
        self._agent = pymunk.Body(body_type=pymunk.Body.KINEMATIC)
        disc = pymunk.Circle(self._agent, AGENT_RADIUS)
        for shape in (*walls, disc):
            shape.friction = 1.0  # pymunk multiplies the frictions of the two shapes that touch
        bar, stem = geometry.rectangle(geometry.BAR), geometry.rectangle(geometry.STEM)
        # The original's moment of inertia and centre of mass, which are not the T's own.
        self._block = pymunk.Body(1.0, 2.0 * pymunk.moment_for_poly(1.0, bar))
        parts = [pymunk.Poly(self._block, bar), pymunk.Poly(self._block, stem)]
        for part in parts:
            part.friction = friction
        self._block.center_of_gravity = (0.0, 45.0)
        self._things: tuple[Any, ...] = (self._table, self._agent, self._block, *walls, disc, *parts)
        self._space = pymunk.Space()
        self._space.add(*self._things)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.friction, self.damping)

    def step(self, state: Sequence[float], action_x: float, action_y: float) -> tuple[list[float], bool]:
        """Move for a tenth of a second.

        Args:
            state: see `states`.
            action_x: target of the agent, from where it is now, in units of ``REACH``; -1 to 1.
            action_y: the same in y.

        Returns:
            The next state, float32 numbers, and whether agent and block touched.
        """
        target = state[0] + REACH * action_x, state[1] + REACH * action_y
        moved = self._move_agent(state, target)
        if moved is not None:
            return np.array(moved, np.float32).tolist(), False
        moved, contact = self._move_both(state, target)
        return np.array(moved, np.float32).tolist(), contact

    def _move_agent(self, state: Sequence[float], target: Point) -> list[float] | None:
        """Move the agent alone, which is fast; None if the block moves, or may be touched."""
        x, y, block_x, block_y, cos, sin, vx, vy, *motion = state
        pose = block_x, block_y, cos, sin
        if any(motion) or geometry.beyond_walls(pose) > -CLEAR:
            return None
        for _ in range(INNER_STEPS):
            vx, vy = _velocity(x, vx, target[0]), _velocity(y, vy, target[1])
            x, y = x + vx * DT, y + vy * DT
            if geometry.overlap(x, y, pose) > -CLEAR:
                return None
        return [x, y, *pose, vx, vy, *motion]

    def _move_both(self, state: Sequence[float], target: Point) -> tuple[list[float], bool]:
        """Move agent and block."""
        x, y, block_x, block_y, cos, sin, vx, vy, block_vx, block_vy, spin = state
        agent, block = self._agent, self._block
        angle = begun = math.atan2(sin, cos)
        self._place((x, y), (block_x, block_y), angle, (block_vx, block_vy), spin)
        squeezed = _squeeze(x, y, block_x, block_y, angle)
        contacts: list[Any] = []
        for _ in range(INNER_STEPS):
            vx, vy = _velocity(x, vx, target[0]), _velocity(y, vy, target[1])
            agent.velocity = (vx, vy)
            before = block_x, block_y, angle
            self._space.step(DT)
            if not contacts:
                agent.each_arbiter(contacts.append)
            (block_x, block_y), angle = block.position, block.angle
            now = _squeeze(x + vx * DT, y + vy * DT, block_x, block_y, angle)
            if now > SQUEEZE and now > squeezed:
                vx = vy = 0.0
                block_x, block_y, angle = before
                self._place((x, y), (block_x, block_y), angle, (0.0, 0.0), 0.0)
                self._space.step(DT)
                now = squeezed
            # The motion of pymunk's kinematic body, computed without pymunk.
            x, y, squeezed = x + vx * DT, y + vy * DT, now
        if angle != begun:  # otherwise they stay unchanged, to the last bit
            cos, sin = math.cos(angle), math.sin(angle)
        block_vx, block_vy = (_clip(velocity, BLOCK_SPEED) for velocity in block.velocity)
        spin = _clip(block.angular_velocity, BLOCK_SPIN)
        return [x, y, block_x, block_y, cos, sin, vx, vy, block_vx, block_vy, spin], bool(contacts)

    def _place(self, agent: Point, block: Point, angle: float, velocity: Point, spin: float) -> None:
        """Place agent and block, without any memory of earlier steps."""
        body = self._block
        # An old space would iterate over shapes that are added again, and their contacts, in another order.
        self._space.remove(*self._things)
        self._space = self._new_space()
        self._space.damping = self.damping
        self._forget_corrections(body, 0.0)
        self._agent.position, self._agent.velocity = agent, (0.0, 0.0)
        body.angle = angle  # first, since the block turns about its centre of mass
        body.position, body.velocity, body.angular_velocity = block, velocity, spin
        self._space.add(*self._things)


def _velocity(position: float, velocity: float, target: float) -> float:
    """Return the agent's next velocity along one axis, which keeps it inside the walls."""
    velocity += (STIFFNESS * (target - position) - AGENT_DAMPING * velocity) * DT
    return min(max(velocity, (AGENT_LOW - position) / DT), (AGENT_HIGH - position) / DT)


def _squeeze(x: float, y: float, block_x: float, block_y: float, angle: float) -> float:
    """Return the depth of a block at a wall in wall and agent, px; 0 away from walls."""
    clear = RADIUS + AT_WALL
    if LOW + clear < block_x < HIGH - clear and LOW + clear < block_y < HIGH - clear:
        return 0.0
    pose = block_x, block_y, math.cos(angle), math.sin(angle)
    beyond = geometry.beyond_walls(pose)
    return 0.0 if beyond < -AT_WALL else max(beyond, 0.0) + max(geometry.overlap(x, y, pose), 0.0)


def _clip(value: float, limit: float) -> float:
    return -limit if value < -limit else limit if value > limit else value
