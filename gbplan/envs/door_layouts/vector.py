"""The vector form of gbplan/DoorLayouts-v0: many rooms in one process."""

from typing import Any

from gbplan.envs.door_layouts.env import DoorLayoutsEnv
from gbplan.envs.door_layouts.in_world import InWorld
from gbplan.envs.simulated import SimulatedVectorEnv


class DoorLayoutsVectorEnv(InWorld, SimulatedVectorEnv):
    """The native vector form of `DoorLayoutsEnv`: same arguments, many rows.

    States and goals have 4 numbers. For everything else see `SimulatedVectorEnv`.
    """

    metadata = {**DoorLayoutsEnv.metadata, **SimulatedVectorEnv.metadata}  # noqa: RUF012, Gymnasium's own form

    def __init__(self, num_envs: int = 1, *, max_episode_steps: int | None = 100, **arguments: Any) -> None:
        """Make the rows; see `SimulatedVectorEnv`."""
        super().__init__(num_envs, max_episode_steps=max_episode_steps, **arguments)
