"""Lightning callbacks for training world models: online data, validation by planning, averaged weights."""

from gbplan.callbacks.online_world_modeling import OnlineWorldModeling
from gbplan.callbacks.planning_validation import PlanningValidation

__all__ = ["OnlineWorldModeling", "PlanningValidation"]
