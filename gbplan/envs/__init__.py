"""Gymnasium environments, their experts and their geometry. Needs numpy and gymnasium; some need MuJoCo or pymunk.

Importing this package registers the environments.
"""

from gbplan.envs import door_layouts, door_wall, fetch_push, granular, point_maze, push_t, rope
from gbplan.envs.contract import OptionalMethods, optional_method
from gbplan.envs.fetch_push import FetchPusherPolicy
from gbplan.envs.granular import GranularPusherPolicy
from gbplan.envs.parallel import ParallelVectorEnv
from gbplan.envs.pixels import PixelObservation, PixelVectorObservation
from gbplan.envs.policy import Observation, Policy
from gbplan.envs.push_t import NoisyPusherPolicy
from gbplan.envs.random_walk import RandomWalkPolicy
from gbplan.envs.rope import RopePusherPolicy

__all__ = [
    "FetchPusherPolicy",
    "GranularPusherPolicy",
    "NoisyPusherPolicy",
    "Observation",
    "OptionalMethods",
    "ParallelVectorEnv",
    "PixelObservation",
    "PixelVectorObservation",
    "Policy",
    "RandomWalkPolicy",
    "RopePusherPolicy",
    "door_layouts",
    "door_wall",
    "fetch_push",
    "granular",
    "optional_method",
    "point_maze",
    "push_t",
    "rope",
]
