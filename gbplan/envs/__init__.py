"""Gymnasium environments, their experts and their geometry. Needs numpy and gymnasium, and PushT pymunk.

Importing this package registers the environments.
"""

from gbplan.envs import door_wall, point_maze, push_t
from gbplan.envs.offers import Offers, offer
from gbplan.envs.pixels import PixelObservation, PixelVectorObservation
from gbplan.envs.policy import Observation, Policy
from gbplan.envs.push_t import NoisyPusherPolicy
from gbplan.envs.random_walk import RandomWalkPolicy

__all__ = [
    "NoisyPusherPolicy",
    "Observation",
    "Offers",
    "PixelObservation",
    "PixelVectorObservation",
    "Policy",
    "RandomWalkPolicy",
    "door_wall",
    "offer",
    "point_maze",
    "push_t",
]
