"""Agents: planner, objective and replanning."""

from dataclasses import dataclass

from gbplan import checks
from gbplan.networks.bfloat16 import Precision
from gbplan.networks.world_model import WorldModel
from gbplan.objectives.objective import Objective
from gbplan.objectives.reach_goal import ReachGoal
from gbplan.planners.planner import Planner
from gbplan.policies.planner_policy import PlannerPolicy


@dataclass(frozen=True)
class Agent:
    """Settings for acting through a world model: planner, objective, and how often to replan.

    Args:
        planner: finds the actions: GradientPlanner, CEMPlanner, ..., or a yaml file of one.
        objective: what the planner minimises; ReachGoal if not given.
        replan_every: model steps between two plans (model predictive control); a shorter plan is executed whole before
            the next one. null plans once, executes the plan, and then stands still (open loop).
        shrink_horizon: plan only for the rest of the planner's horizon, counted from the episode's start, but never for
            fewer than ``replan_every`` steps.
        warm_start: give the planner the rest of the previous plan, followed by standing still, as a candidate.
        seed: seed of the planner's noise, which all tasks share, in 0..2^63 - 1.
        precision: bfloat16 plans through a copy of the model whose ``ViTPredictor`` multiplies matrices in bfloat16,
            which is faster where the processor supports it; elsewhere the agent warns and plans in float32.

    Raises:
        ValueError: ``replan_every`` < 1, ``seed`` is out of range, or the precision is unknown.
    """

    planner: Planner
    # The default is None, because a config cannot contain an object; the constructor replaces it.
    objective: Objective = None  # type: ignore[assignment]
    replan_every: int | None = 5
    shrink_horizon: bool = False
    warm_start: bool = True
    seed: int = 0
    precision: Precision = "float32"

    def __post_init__(self) -> None:
        if self.objective is None:
            object.__setattr__(self, "objective", ReachGoal())
        if self.replan_every is not None:
            checks.at_least_one(replan_every=self.replan_every)
        checks.flag(shrink_horizon=self.shrink_horizon, warm_start=self.warm_start)
        checks.seed(seed=self.seed)
        checks.one_of(Precision, precision=self.precision)

    @property
    def open_loop(self) -> bool:
        """Whether the agent plans once and executes the whole plan."""
        return self.replan_every is None

    def policy(self, world_model: WorldModel) -> PlannerPolicy:
        """Return the policy that acts through ``world_model``."""
        return PlannerPolicy(world_model, self)
