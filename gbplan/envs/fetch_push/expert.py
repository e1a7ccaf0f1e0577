"""A policy that knows how to push the cube to the goal."""

import numpy as np
from numpy.typing import NDArray

from gbplan.envs.expert import Expert
from gbplan.envs.fetch_push.pushing import push
from gbplan.envs.fetch_push.world import ENV_ID, World
from gbplan.envs.policy import Observation


class FetchPushExpert(Expert[World]):
    """Go behind the cube, over it, and push it in a straight line to the goal, ever slower; then wait.

    What it does depends on ``features`` and ``desired_goal`` of this very step only, so it recovers from wherever noise
    carries it.
    """

    environment = ENV_ID

    def _best(self, world: World, observation: Observation) -> NDArray[np.float64]:
        seen = np.asarray(observation["features"], np.float64)
        return push(seen[..., :3], seen[..., 3:6], np.asarray(observation["desired_goal"], np.float64))
