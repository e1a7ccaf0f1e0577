"""The vector form of gbplan/Granular-v0: many tables in one process."""

from typing import Any

from gbplan.envs.granular.env import GranularEnv
from gbplan.envs.granular.in_world import InWorld
from gbplan.envs.simulated import SimulatedVectorEnv


class GranularVectorEnv(InWorld, SimulatedVectorEnv):
    """The native vector form of `GranularEnv`: same arguments, many rows.

    States and goals have 60 numbers. For everything else see `SimulatedVectorEnv`.
    """

    metadata = {**GranularEnv.metadata, **SimulatedVectorEnv.metadata}  # noqa: RUF012, Gymnasium's own form

    def __init__(self, num_envs: int = 1, *, max_episode_steps: int | None = 20, **arguments: Any) -> None:
        """Make the rows; see `SimulatedVectorEnv`."""
        super().__init__(num_envs, max_episode_steps=max_episode_steps, **arguments)
