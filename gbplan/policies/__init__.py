"""Policies: planning through a world model, and baselines. This room converts between torch and numpy."""

from gbplan.policies.agent import Agent
from gbplan.policies.constant_policy import ConstantPolicy
from gbplan.policies.expert_policy import ExpertPolicy
from gbplan.policies.mixed_policy import MixedPolicy
from gbplan.policies.plan_record import PlanningEffort, PlanRecord
from gbplan.policies.planner_policy import PlannerPolicy
from gbplan.policies.random_policy import RandomPolicy
from gbplan.policies.straight_line_policy import StraightLinePolicy

__all__ = [
    "Agent",
    "ConstantPolicy",
    "ExpertPolicy",
    "MixedPolicy",
    "PlanRecord",
    "PlannerPolicy",
    "PlanningEffort",
    "RandomPolicy",
    "StraightLinePolicy",
]
