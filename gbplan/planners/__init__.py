"""Planners: bounded action sequences of low cost for a ``PlanningProblem``. They know no environment."""

from gbplan.planners.cem import CEMPlanner
from gbplan.planners.gradient import GradientPlanner
from gbplan.planners.plan import Plan
from gbplan.planners.planner import Planner
from gbplan.planners.problem import PlanningModel, PlanningProblem

__all__ = ["CEMPlanner", "GradientPlanner", "Plan", "Planner", "PlanningModel", "PlanningProblem"]
