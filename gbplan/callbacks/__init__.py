"""Lightning callbacks: what happens around the training of a world model."""

from gbplan.callbacks.online_world_modeling import OnlineWorldModeling
from gbplan.callbacks.planning_validation import PlanningValidation

__all__ = ["OnlineWorldModeling", "PlanningValidation"]
