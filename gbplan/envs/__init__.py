"""Gymnasium environments, their experts and their geometry. Needs numpy and gymnasium only.

Importing this package registers the environments.
"""

from gbplan.envs import door_wall, point_maze
from gbplan.envs.offers import Offers, offer
from gbplan.envs.pixels import PixelObservation, PixelVectorObservation
from gbplan.envs.policy import Observation, Policy
from gbplan.envs.random_walk import RandomWalkPolicy

__all__ = [
    "Observation",
    "Offers",
    "PixelObservation",
    "PixelVectorObservation",
    "Policy",
    "RandomWalkPolicy",
    "door_wall",
    "offer",
    "point_maze",
]
