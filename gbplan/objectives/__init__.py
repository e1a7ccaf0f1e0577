"""Costs of predicted trajectories, in goal space. Needs torch only."""

from gbplan.objectives.goal_mse import GoalMSE
from gbplan.objectives.objective import Objective
from gbplan.objectives.reach_goal import ReachGoal
from gbplan.objectives.scaled import Scaled
from gbplan.objectives.staged import Staged
from gbplan.objectives.weighted_goal_loss import WeightedGoalLoss

__all__ = ["GoalMSE", "Objective", "ReachGoal", "Scaled", "Staged", "WeightedGoalLoss"]
