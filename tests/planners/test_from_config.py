import re
from dataclasses import fields

import pytest
from jsonargparse import ArgumentParser

from gbplan.objectives import Objective, ReachGoal, Scaled, WeightedGoalLoss
from gbplan.planners import CEMPlanner, GradientPlanner, InitializedPlanner, Knots, Planner, White

PLANNERS = [planner for planner in Planner.__subclasses__() if planner.__module__.startswith("gbplan.")]


def parser():
    made = ArgumentParser(exit_on_error=False)
    made.add_subclass_arguments(Planner, "planner", required=False)
    made.add_argument("--objective", type=Objective)
    return made


def parse(*args):
    made = parser()
    return made.instantiate(made.parse_args(args))


def test_planners_and_objectives_can_be_named_on_the_command_line():
    made = parse(
        *("--planner", "GradientPlanner", "--planner.horizon", "7", "--planner.bounds", "tanh"),
        *("--objective", "WeightedGoalLoss", "--objective.weighting", "increasing"),
    )
    assert isinstance(made.planner, GradientPlanner)
    assert (made.planner.horizon, made.planner.bounds) == (7, "tanh")
    assert isinstance(made.objective, WeightedGoalLoss)


def test_a_scale_is_numbers_or_that_of_the_data():
    for given, expected in (("data", "data"), ("[20,0.35]", (20.0, 0.35))):
        made = parse("--objective", "Scaled", "--objective.objective", "ReachGoal", "--objective.scale", given)
        assert made.objective == Scaled(ReachGoal(), expected)


def test_noise_is_a_part_that_can_be_named_and_set():
    assert parse("--planner", "CEMPlanner").planner == CEMPlanner()
    assert parse("--planner", "CEMPlanner", "--planner.noise", "White").planner == CEMPlanner(noise=White())
    knots = parse("--planner", "MPPIPlanner", "--planner.noise", "Knots", "--planner.noise.count", "3").planner
    assert knots.noise == Knots(3)


def test_planners_come_from_a_file_with_other_planners_inside(tmp_path):
    file = tmp_path / "planner.yaml"
    file.write_text(
        "class_path: InitializedPlanner\n"
        "init_args:\n"
        "  ckpt_path: guess.ckpt\n"
        "  planner:\n"
        "    class_path: CEMPlanner\n"
        "    init_args: {horizon: 9, noise: {class_path: Knots, init_args: {count: 3}}}\n"
    )
    planner = parse("--planner", str(file)).planner
    assert planner == InitializedPlanner(CEMPlanner(horizon=9, noise=Knots(3)), "guess.ckpt")
    assert planner.horizon == 9


@pytest.mark.parametrize("planner", PLANNERS, ids=lambda planner: planner.__name__)
def test_help_says_what_every_field_is(planner, capsys):
    with pytest.raises(SystemExit):
        parse("--planner.help", planner.__name__)
    text = " ".join(capsys.readouterr().out.split())
    for field in fields(planner):
        if field.init:
            assert re.search(rf"--planner\.{field.name} [^\]\s]+ \w", text), f"{field.name} has no description"


def test_a_choice_that_does_not_exist_is_refused_when_parsing():
    with pytest.raises(Exception, match="tanh"):
        parse("--planner", "GradientPlanner", "--planner.bounds", "box")


def test_settings_out_of_range_are_one_line():
    with pytest.raises(Exception, match="num_elites must not exceed num_samples, got 9 > 3"):
        parse("--planner", "CEMPlanner", "--planner.num_samples", "3", "--planner.num_elites", "9")
