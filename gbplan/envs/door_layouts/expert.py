"""An expert policy for every layout."""

import numpy as np
from numpy.typing import NDArray

from gbplan.envs.door_layouts.world import World, from_the_door
from gbplan.envs.door_wall.contact import LIMIT
from gbplan.envs.door_wall.expert import walk
from gbplan.envs.expert import Expert
from gbplan.envs.policy import Observation


class DoorLayoutsExpert(Expert[World]):
    """Go through the door to the goal in any layout, as DoorWall's expert does."""

    environment = "DoorLayouts"

    def _best(self, world: World, observation: Observation) -> NDArray[np.float64]:
        goal = np.asarray(observation["desired_goal"], np.float64).copy()
        goal[..., :2] = np.clip(goal[..., :2], -LIMIT, LIMIT)
        return walk(world.around_the_door, from_the_door(observation["observation"]), from_the_door(goal))
