"""Planners: bounded action sequences of low cost for a ``PlanningProblem``. They know no environment."""

from gbplan.planners.cem import CEMPlanner
from gbplan.planners.gradcem import GradCEMPlanner
from gbplan.planners.gradient import GradientPlanner
from gbplan.planners.grasp import GRASPPlanner
from gbplan.planners.icem import ICEMPlanner
from gbplan.planners.initialized import InitializedPlanner
from gbplan.planners.mppi import MPPIPlanner
from gbplan.planners.noise import Colored, Knots, Noise, White
from gbplan.planners.plan import Plan
from gbplan.planners.planner import Planner
from gbplan.planners.problem import PlanningModel, PlanningProblem
from gbplan.planners.random_shooting import RandomShooting

__all__ = [
    "CEMPlanner",
    "Colored",
    "GRASPPlanner",
    "GradCEMPlanner",
    "GradientPlanner",
    "ICEMPlanner",
    "InitializedPlanner",
    "Knots",
    "MPPIPlanner",
    "Noise",
    "Plan",
    "Planner",
    "PlanningModel",
    "PlanningProblem",
    "RandomShooting",
    "White",
]
