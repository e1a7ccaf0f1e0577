"""The vector form of gbplan/Rope-v0: many ropes in one process."""

from typing import Any

from gbplan.envs.rope.env import RopeEnv
from gbplan.envs.rope.in_world import InWorld
from gbplan.envs.simulated import SimulatedVectorEnv


class RopeVectorEnv(InWorld, SimulatedVectorEnv):
    """The native vector form of `RopeEnv`: same arguments, many rows.

    States have 150, 44 or 42 numbers, goals 42. For everything else see
    `SimulatedVectorEnv`.
    """

    metadata = {**RopeEnv.metadata, **SimulatedVectorEnv.metadata}  # noqa: RUF012, Gymnasium's own form

    def __init__(self, num_envs: int = 1, *, max_episode_steps: int | None = 20, **arguments: Any) -> None:
        """Make the rows; see `SimulatedVectorEnv`."""
        super().__init__(num_envs, max_episode_steps=max_episode_steps, **arguments)
