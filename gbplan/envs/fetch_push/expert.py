"""The expert of FetchPush, which pushes the cube to the goal."""

import numpy as np
from numpy.typing import NDArray

from gbplan.envs.expert import Expert
from gbplan.envs.fetch_push.pushing import push
from gbplan.envs.fetch_push.world import ENV_ID, World
from gbplan.envs.policy import Observation


class FetchPushExpert(Expert[World]):
    """Go behind the cube, over it, and push it in a straight line to the goal, ever slower; then wait.

    Its action depends on ``features`` and ``desired_goal`` of the current step only, so it recovers from any noise.
    """

    environment = ENV_ID

    def _best(self, world: World, observation: Observation) -> NDArray[np.float64]:
        seen = np.asarray(observation["features"], np.float64)
        return push(seen[..., :3], seen[..., 3:6], np.asarray(observation["desired_goal"], np.float64))
