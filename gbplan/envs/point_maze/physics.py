"""MuJoCo's simulation of the ball in a maze, for many states at once."""

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gbplan.envs.mujoco_extra import mujoco_of, robotics_assets
from gbplan.envs.point_maze.maze import maze_of
from gbplan.envs.point_maze.world import ENV_ID, MAX_SPEED

TOUCHING = 0.102  # from the wall, u: the ball's radius, and the margin within which MuJoCo pushes

Floats = NDArray[np.float64]


class Physics:
    """The world's dynamics: a function of state and action alone, bit for bit, independent of earlier steps.

    The ball is that of gymnasium-robotics, whose model is read from there.
    """

    def __init__(self, maze: str, frame_skip: int) -> None:
        """Load the simulation.

        Args:
            maze: name of the maze.
            frame_skip: simulation steps, 0.01 s each, per step of the environment.

        Raises:
            gymnasium.error.DependencyNotInstalled: MuJoCo is not installed.
        """
        self._arguments = maze, frame_skip
        self._frame_skip = frame_skip
        self._model = _model(maze)
        self._data = mujoco_of(ENV_ID).MjData(self._model)  # working memory only
        self._maze = maze_of(maze)

    def __reduce__(self) -> tuple[Any, ...]:
        return Physics, self._arguments

    def step(self, states: Floats, actions: Floats) -> tuple[Floats, NDArray[np.bool_]]:
        """Move N balls once.

        Args:
            states: x, y, vx, vy, float32 numbers, ``(N, 4)``.
            actions: forces, in [-1, 1], ``(N, 2)``.

        Returns:
            The next states, ``(N, 4)``, and whether the ball touched a wall at any moment of the step, ``(N,)``.
        """
        begin = np.zeros((len(states), 5))  # the time comes first, and does not matter
        begin[:, 1:] = states
        forces = np.repeat(actions[:, None], self._frame_skip, axis=1)
        seen = _rollout()(self._model, self._data, begin, forces)[0][..., 1:]  # (N, frame_skip, 4)
        positions = np.concatenate([states[:, None, :2], seen[..., :2]], axis=1)
        touched: NDArray[np.bool_] = self._maze.clearance(positions).min(axis=1) < TOUCHING
        ends = np.concatenate([seen[:, -1, :2], np.clip(seen[:, -1, 2:], -MAX_SPEED, MAX_SPEED)], axis=1)
        # Rounded to float32, so that an observed state, set again, is the same state.
        return ends.astype(np.float32).astype(np.float64), touched


@lru_cache
def _model(maze: str) -> Any:
    """Return MuJoCo's model of the ball among walls."""
    mujoco = mujoco_of(ENV_ID)
    spec = mujoco.MjSpec.from_file(str(robotics_assets() / "point" / "point.xml"))
    for x, y in maze_of(maze).walls.tolist():
        spec.worldbody.add_geom(
            type=mujoco.mjtGeom.mjGEOM_BOX, pos=[x, y, 0.2], size=[0.5, 0.5, 0.2], contype=1, conaffinity=1
        )
    # Otherwise the solver would start from the step before, and a step would depend on it.
    spec.option.disableflags |= mujoco.mjtDisableBit.mjDSBL_WARMSTART
    return spec.compile()


def _rollout() -> Any:
    from mujoco.rollout import rollout

    return rollout
