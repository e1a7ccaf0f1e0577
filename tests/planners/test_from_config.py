import pytest
from jsonargparse import ArgumentParser

from gbplan.objectives import Objective, WeightedGoalLoss
from gbplan.planners import GradientPlanner, Planner


def parse(*args):
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--planner", type=Planner)
    parser.add_argument("--objective", type=Objective)
    return parser.instantiate_classes(parser.parse_args(args))


def test_planners_and_objectives_can_be_named_on_the_command_line():
    made = parse(
        *("--planner", "GradientPlanner", "--planner.horizon", "7", "--planner.bounds", "tanh"),
        *("--objective", "WeightedGoalLoss", "--objective.weighting", "increasing"),
    )
    assert isinstance(made.planner, GradientPlanner)
    assert (made.planner.horizon, made.planner.bounds) == (7, "tanh")
    assert isinstance(made.objective, WeightedGoalLoss)


def test_a_choice_that_does_not_exist_is_refused_when_parsing():
    with pytest.raises(Exception, match="tanh"):
        parse("--planner", "GradientPlanner", "--planner.bounds", "box")
