"""Pictures of robot, table and cube by MuJoCo's own renderer."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gbplan.envs.fetch_push.physics import ROBOT_GROUP, Physics
from gbplan.envs.fetch_push.states import STATE_SIZE
from gbplan.envs.fetch_push.world import ENV_ID
from gbplan.envs.mujoco_extra import mujoco_of, renderer_of

# The view from the robot's right-hand side, as in gymnasium-robotics.
LOOK_AT, DISTANCE, AZIMUTH, ELEVATION = (1.3, 0.75, 0.45), 1.6, 132.0, -25.0
GOAL_COLOUR, GOAL_SIZE = (1.0, 0.0, 0.0, 1.0), 0.02

Floats = NDArray[np.float64]


class Renderer:
    """Draws states; MuJoCo's renderer is made for the first picture of each size."""

    def __init__(self) -> None:
        self._renderers: dict[int, Any] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        return Renderer, ()

    def draw(
        self, physics: Physics, states: Floats, size: int, goal: Floats | None = None, robot: bool = True
    ) -> NDArray[np.uint8]:
        """Return pictures of states ``(N, 43)``, ``(N, size, size, 3)``.

        Args:
            physics: the simulation, whose model is drawn.
            states: whole states.
            size: pixels along an edge, at least 8.
            goal: place of a red ball, m, ``(3,)``; None: no ball.
            robot: whether to draw the robot.

        Raises:
            gymnasium.error.DependencyNotInstalled: MuJoCo cannot draw here.
            ValueError: states or size have another form.
        """
        if states.ndim != 2 or states.shape[1] != STATE_SIZE:
            raise ValueError(f"states to draw must have shape (N, {STATE_SIZE}), got {states.shape}")
        if not isinstance(size, int | np.integer) or size < 8:
            raise ValueError(f"size must be a whole number of pixels, at least 8, got {size!r}")
        renderer = self._renderer(physics.model, int(size))
        mujoco = mujoco_of(ENV_ID)
        camera = mujoco.MjvCamera()
        camera.lookat[:], camera.distance, camera.azimuth, camera.elevation = LOOK_AT, DISTANCE, AZIMUTH, ELEVATION
        options = mujoco.MjvOption()
        options.sitegroup[:] = 0  # the model's own marks
        options.geomgroup[ROBOT_GROUP] = robot
        pictures = np.empty((len(states), size, size, 3), np.uint8)
        for row, state in enumerate(states):
            data = physics.at(state)
            mujoco.mj_camlight(physics.model, data)
            renderer.update_scene(data, camera, options)
            if goal is not None:
                scene = renderer.scene
                mark = scene.geoms[scene.ngeom]
                sphere, size3 = mujoco.mjtGeom.mjGEOM_SPHERE, np.full(3, GOAL_SIZE)
                mujoco.mjv_initGeom(mark, sphere, size3, goal, np.eye(3).ravel(), np.array(GOAL_COLOUR, np.float32))
                scene.ngeom += 1
            pictures[row] = renderer.render()
        return pictures

    def _renderer(self, model: Any, size: int) -> Any:
        if size not in self._renderers:
            self._renderers[size] = renderer_of(ENV_ID, model, size)
        return self._renderers[size]
