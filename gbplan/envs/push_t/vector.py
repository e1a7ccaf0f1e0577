"""PushT in rows."""

from functools import partial
from typing import Any

from gbplan.envs.push_t.env import PushTEnv
from gbplan.envs.vector import RowsVectorEnv


class PushTVectorEnv(RowsVectorEnv):
    """The vector form of :class:`~gbplan.envs.push_t.env.PushTEnv`: same world, same arguments, many rows.

    Rows are stepped one after the other, in one process; see :class:`~gbplan.envs.vector.RowsVectorEnv`.
    """

    def __init__(self, num_envs: int = 1, *, max_episode_steps: int | None = 150, **arguments: Any) -> None:
        """Make the rows.

        Args:
            num_envs: number of rows.
            max_episode_steps: rows are truncated after so many steps; None: never.
            **arguments: those of :class:`~gbplan.envs.push_t.env.PushTEnv`.

        Raises:
            ValueError: an argument is outside its range.
            TypeError: an argument is of the wrong type, or there is none of that name.
        """
        super().__init__(partial(PushTEnv, **arguments), num_envs, max_episode_steps)
