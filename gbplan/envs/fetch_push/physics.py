"""MuJoCo's simulation of the robot and the cube."""

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gbplan.envs.fetch_push.states import FEATURES_LIMIT, POSITIONS, clipped
from gbplan.envs.fetch_push.world import ENV_ID
from gbplan.envs.mujoco_extra import mujoco_of, robotics_assets

SUBSTEPS = 20  # of 2 ms
LOOK = 4  # simulation steps between checks for contact
ROBOT, CUBE = 1, 8  # kinds of geoms, whose sums are distinct
REACH = 0.05  # m, target distance of the gripper for an action of 1
DOWNWARD = (1.0, 0.0, 1.0, 0.0)  # the gripper's orientation
ROBOT_GROUP = 1  # of geoms, for pictures without the robot; all others have group 0
FINGERS = ("robot0:l_gripper_finger_joint", "robot0:r_gripper_finger_joint")

Floats = NDArray[np.float64]


class Physics:
    """The world's dynamics: a function of state and action alone, bit for bit, independent of earlier steps.

    Robot, table and cube are those of gymnasium-robotics, whose model is read from there.
    """

    def __init__(self) -> None:
        """Load the simulation.

        Raises:
            gymnasium.error.DependencyNotInstalled: MuJoCo is not installed, or not in a tested version.
        """
        self._mujoco = mujoco_of(ENV_ID)
        self.model, self.start = _loaded()
        self._data = self._mujoco.MjData(self.model)  # working memory only
        model = self.model
        self._hand = model.eq_obj2id[0]  # the body that is pulled to the action's target
        self._grip, self._cube = (model.site(name).id for name in ("robot0:grip", "object0"))
        self._fingers = [model.joint(name).qposadr[0] for name in FINGERS]
        self._kinds = ROBOT * (model.geom_group == ROBOT_GROUP)  # of geoms
        self._kinds[model.geom("object0").id] = CUBE

    def __reduce__(self) -> tuple[Any, ...]:
        return Physics, ()

    def step(self, state: Floats, action: Floats) -> tuple[Floats, bool]:
        """Move the gripper once.

        Args:
            state: float32 numbers, ``(43,)``.
            action: in [-1, 1], ``(4,)``; the last one does nothing.

        Returns:
            The next state, ``(43,)``, and whether robot and cube touched at one of five moments.
        """
        data = self.at(state)
        data.mocap_pos[0] = data.xpos[self._hand] + REACH * action[:3]
        data.mocap_quat[0] = data.xquat[self._hand] + DOWNWARD
        touched = False
        for _ in range(SUBSTEPS // LOOK):
            self._mujoco.mj_step(self.model, data, LOOK)
            touched = touched or bool((self._kinds[data.contact.geom].sum(axis=1) == ROBOT + CUBE).any())
        data.qpos[self._fingers] = 0.0  # the gripper stays shut
        return clipped(np.concatenate([data.qpos, data.qvel])), touched

    def features(self, states: Floats) -> NDArray[np.float32]:
        """Return the 25 numbers ``(N, 25)`` that gymnasium-robotics observes in states ``(N, 43)``."""
        seen = np.empty((len(states), len(FEATURES_LIMIT)))
        for row, state in enumerate(states):
            seen[row] = self._features(state)
        return np.clip(seen, -FEATURES_LIMIT, FEATURES_LIMIT).astype(np.float32)

    def at(self, state: Floats) -> Any:
        """Return the simulation's memory set to a state ``(43,)``: places of all bodies, and their velocities."""
        data = self._data
        data.qpos[:], data.qvel[:] = state[:POSITIONS], state[POSITIONS:]
        self._mujoco.mj_kinematics(self.model, data)
        self._mujoco.mj_comPos(self.model, data)
        self._mujoco.mj_comVel(self.model, data)
        return data

    def _features(self, state: Floats) -> Floats:
        data, duration = self.at(state), SUBSTEPS * self.model.opt.timestep
        grip, cube = data.site_xpos[self._grip], data.site_xpos[self._cube]
        (_, grip_speed), (cube_spin, cube_speed) = self._velocity(self._grip), self._velocity(self._cube)
        fingers, finger_speeds = state[13:15], state[POSITIONS + 13 : POSITIONS + 15]
        return np.concatenate(
            [
                grip,
                cube,
                cube - grip,
                fingers,
                euler_angles(data.site_xmat[self._cube].reshape(3, 3)),
                duration * (cube_speed - grip_speed),
                duration * cube_spin,
                duration * grip_speed,
                duration * finger_speeds,
            ]
        )

    def _velocity(self, site: int) -> tuple[Floats, Floats]:
        """Return a site's spin and velocity, along the world's axes."""
        found = np.empty(6)
        self._mujoco.mj_objectVelocity(self.model, self._data, self._mujoco.mjtObj.mjOBJ_SITE, site, found, 0)
        return found[:3], found[3:]


def euler_angles(rotation: Floats) -> Floats:
    """Return x, y and z of a rotation matrix ``(3, 3)``, as gymnasium-robotics has them, ``(3,)``."""
    cos_y = np.hypot(rotation[2, 2], rotation[1, 2])
    if cos_y > 4 * np.finfo(np.float64).eps:
        z = -np.arctan2(rotation[0, 1], rotation[0, 0])
        x = -np.arctan2(rotation[1, 2], rotation[2, 2])
    else:  # looking straight up or down, where rotations about x and z are the same
        z, x = -np.arctan2(-rotation[1, 0], rotation[1, 1]), 0.0
    return np.array([x, -np.arctan2(-rotation[0, 2], cos_y), z])


@lru_cache
def _loaded() -> tuple[Any, Floats]:
    """Return MuJoCo's model, and the state in which episodes begin, except the cube's place."""
    mujoco = mujoco_of(ENV_ID)
    spec = mujoco.MjSpec.from_file(str(robotics_assets() / "fetch" / "push.xml"))
    # Otherwise the solver would start from the step before, and a step would depend on it.
    spec.option.disableflags |= mujoco.mjtDisableBit.mjDSBL_WARMSTART
    model = spec.compile()
    model.eq_data[0, :7] = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0)
    robot = [body for body in range(model.nbody) if model.body(body).name.startswith("robot0:")]
    model.geom_group[np.isin(model.geom_bodyid, robot)] = ROBOT_GROUP
    # The gripper's target is not part of the state, and so not of its picture.
    model.geom_rgba[model.geom_bodyid == model.eq_obj1id[0]] = 0.0
    data = mujoco.MjData(model)
    for joint, place in (("slide0", 0.405), ("slide1", 0.48), ("slide2", 0.0)):
        data.joint(f"robot0:{joint}").qpos[:] = place
    data.joint("object0:joint").qpos[:] = (1.25, 0.53, 0.4, 1.0, 0.0, 0.0, 0.0)
    mujoco.mj_forward(model, data)
    data.mocap_pos[0] = data.site("robot0:grip").xpos + np.array([-0.498, 0.005, -0.431])
    data.mocap_quat[0] = DOWNWARD
    mujoco.mj_step(model, data, 10 * SUBSTEPS)
    return model, clipped(np.concatenate([data.qpos, data.qvel]))
