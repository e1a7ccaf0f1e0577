"""The vector form of gbplan/FetchPush-v0: many robots in one process."""

from typing import Any

from gbplan.envs.fetch_push.env import FetchPushEnv
from gbplan.envs.fetch_push.in_world import InWorld
from gbplan.envs.simulated import SimulatedVectorEnv


class FetchPushVectorEnv(InWorld, SimulatedVectorEnv):
    """The native vector form of `FetchPushEnv`: same arguments, many rows.

    States have 43 or 2 numbers, goals 3 or 2. See `SimulatedVectorEnv` for the rest.
    """

    metadata = {**FetchPushEnv.metadata, **SimulatedVectorEnv.metadata}  # noqa: RUF012, Gymnasium's own form

    def __init__(self, num_envs: int = 1, *, max_episode_steps: int | None = 50, **arguments: Any) -> None:
        """Make the rows; see `SimulatedVectorEnv`."""
        super().__init__(num_envs, max_episode_steps=max_episode_steps, **arguments)
