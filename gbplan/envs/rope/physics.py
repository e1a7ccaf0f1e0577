"""MuJoCo's simulation of a rope on a table, and of the tip that pushes it."""

import math
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gbplan.envs.mujoco_extra import mujoco_of
from gbplan.envs.rope import states
from gbplan.envs.rope.states import FIELD, LINK, NODES, PARKED, POSITIONS, REACH, ROPE_RADIUS, TIP, TIP_RADIUS
from gbplan.envs.rope.world import ENV_ID

TIMESTEP = 0.004  # s
SPEED = 0.5  # of the tip, m/s
SMALL_STEP = 10  # simulation steps of a small step
STRIDE = SPEED * TIMESTEP * SMALL_STEP  # longest small step of the tip, m
SETTLING = 100  # simulation steps after a push
LOOK = 5  # simulation steps between contact checks
CLEAR = ROPE_RADIUS + TIP_RADIUS + 0.002  # least distance (m) of rope and tip when the tip comes down
BACK = 0.005  # m by which the start of a push moves back until it is clear

# Damping brings a pushed rope to rest, except for slow creep, within some tenths of a second.
MODEL = f"""
<mujoco model="rope">
  <extension><plugin plugin="mujoco.elasticity.cable"/></extension>
  <option timestep="{TIMESTEP}" integrator="implicitfast" jacobian="dense"><flag warmstart="disable"/></option>
  <worldbody>
    <geom name="table" type="plane" size="{FIELD} {FIELD} 0.1"/>
    <composite type="cable" curve="s" count="{NODES} 1 1" size="{LINK * (NODES - 1)}" offset="0 0 {ROPE_RADIUS}"
        initial="free">
      <plugin plugin="mujoco.elasticity.cable">
        <config key="twist" value="1e5"/><config key="bend" value="2e5"/><config key="vmax" value="0"/>
      </plugin>
      <joint kind="main" damping="0.01" armature="0.0001"/>
      <geom type="capsule" size="{ROPE_RADIUS}" density="1000" friction="1 0.005 0.0001"/>
    </composite>
    <body name="tip" pos="0 0 0.02">
      <joint name="tip_x" type="slide" axis="1 0 0" damping="1"/>
      <joint name="tip_y" type="slide" axis="0 1 0" damping="1"/>
      <geom name="tip" type="cylinder" size="{TIP_RADIUS} 0.02" mass="0.2"/>
    </body>
  </worldbody>
  <actuator>
    <position joint="tip_x" kp="2000" kv="40"/>
    <position joint="tip_y" kp="2000" kv="40"/>
  </actuator>
</mujoco>
"""

Floats = NDArray[np.float64]


class Physics:
    """The dynamics: a function of state and action alone, bit for bit, independent of earlier calls."""

    def __init__(self) -> None:
        """Load the simulation.

        Raises:
            gymnasium.error.DependencyNotInstalled: MuJoCo is not installed, or its version was not tested.
        """
        self._mujoco = mujoco_of(ENV_ID)
        self._model = _loaded()
        self._data = self._mujoco.MjData(self._model)  # working memory only
        names = ["B_first", *(f"B_{i}" for i in range(1, NODES - 2)), "B_last"]
        self._links = [self._model.body(name).id for name in names]
        self._end = self._model.site("S_last").id
        table, tip = (self._model.geom(name).id for name in ("table", "tip"))
        self._kinds = np.ones(self._model.ngeom, np.int64)  # kinds of geoms; every pair of kinds has its own sum
        self._kinds[table], self._kinds[tip] = 3, 8

    def __reduce__(self) -> tuple[Any, ...]:
        return Physics, ()

    def __eq__(self, other: object) -> bool:  # all instances are equal: their data is only working memory
        return isinstance(other, Physics)

    def __hash__(self) -> int:
        return hash(Physics)

    def push(self, state: Floats, action: Floats) -> tuple[Floats, bool]:
        """Push once, along a straight line.

        Args:
            state: float32 values, ``(150,)``.
            action: start and end of the push, in units of ``REACH``, ``(4,)``.

        Returns:
            The next state, with the tip parked, and whether tip and rope touched.
        """
        after, touched = _pushed(self, *(np.asarray(part, np.float64).tobytes() for part in (state, action)))
        return after.copy(), touched

    def _push(self, state: Floats, action: Floats) -> tuple[Floats, bool]:
        begin, end = REACH * action[:2], REACH * action[2:]
        way = end - begin
        length = math.hypot(*way)
        touched = False
        data = self._at(state)
        if length > 0.0:
            nodes = self._nodes()
            while states.gap(nodes, begin) < CLEAR:
                begin = begin - BACK * way / length
            self._put_tip(begin)
            touched = self._move(begin, end, max(math.ceil(math.dist(begin, end) / (SPEED * TIMESTEP)), 1))
        self._put_tip(np.array(PARKED))
        self._mujoco.mj_step(self._model, data, SETTLING)
        return self._state(), touched

    def small(self, state: Floats, action: Floats) -> tuple[Floats, bool]:
        """Move the tip by a small step.

        Args:
            state: float32 values, ``(150,)``.
            action: target displacement of the tip, in units of ``STRIDE``, ``(2,)``.

        Returns:
            The next state, and whether tip and rope touched.
        """
        self._at(state)
        tip = state[TIP]
        touched = self._move(tip, np.clip(tip + STRIDE * action, -REACH, REACH), SMALL_STEP)
        return self._state(), touched

    def settled(self, state: Floats) -> Floats:
        """Return the state 0.4 s later, with the tip at rest."""
        data = self._at(state)
        data.ctrl[:] = state[TIP]
        self._mujoco.mj_step(self._model, data, SETTLING)
        return self._state()

    def nodes(self, rows: Floats) -> Floats:
        """Return x and y of the nodes of states ``(N, 150)``, ``(N, 21, 2)``."""
        found = np.empty((len(rows), NODES, 2))
        for row, state in enumerate(rows):
            self._at(state)
            found[row] = self._nodes()
        return found

    def _at(self, state: Floats) -> Any:
        data = self._data
        data.qpos[:], data.qvel[:] = state[:POSITIONS], state[POSITIONS:]
        self._mujoco.mj_kinematics(self._model, data)
        return data

    def _state(self) -> Floats:
        return states.clipped(np.concatenate([self._data.qpos, self._data.qvel]))

    def _nodes(self) -> Floats:
        data = self._data
        return np.concatenate([data.xpos[self._links, :2], data.site_xpos[self._end : self._end + 1, :2]])

    def _put_tip(self, place: Floats) -> None:
        self._data.qpos[TIP] = self._data.ctrl[:] = place
        self._data.qvel[-2:] = 0.0

    def _move(self, begin: Floats, end: Floats, steps: int) -> bool:
        """Move the tip along a straight line, and return whether it touched the rope."""
        data, touched = self._data, False
        for step in range(1, steps + 1):
            data.ctrl[:] = begin + (step / steps) * (end - begin)
            self._mujoco.mj_step(self._model, data)
            if step % LOOK == 0 and not touched:
                touched = bool((self._kinds[data.contact.geom].sum(axis=1) == 9).any())
        return touched


@lru_cache
def _loaded() -> Any:
    return mujoco_of(ENV_ID).MjModel.from_xml_string(MODEL)


@lru_cache(maxsize=4096)  # drawing a task, its expert and its evaluation repeat the same pushes
def _pushed(physics: Physics, state: bytes, action: bytes) -> tuple[Floats, bool]:
    return physics._push(np.frombuffer(state), np.frombuffer(action))
