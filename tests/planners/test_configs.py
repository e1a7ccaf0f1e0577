"""The planners' yaml files keep the budgets that their comments claim."""

from pathlib import Path

import pytest
import yaml
from jsonargparse import ArgumentParser
from planning_problems import make_problem

from gbplan.networks import InitNetwork
from gbplan.planners import InitializedPlanner, Planner


def parser():
    made = ArgumentParser()
    made.add_subclass_arguments(Planner, "planner")
    return made


def planned(name):
    """A plan of the planner in that file, when replanning."""
    made = parser()
    planner = made.instantiate(made.parse_args([f"--planner=configs/planners/{name}.yaml"])).planner
    if isinstance(planner, InitializedPlanner):
        vars(planner)["network"] = InitNetwork(3, 2, 2).eval()  # instead of reading its checkpoint
    return replanned(planner)


def replanned(planner):
    problem = make_problem(1)
    return planner.plan(problem, problem.center.expand(1, planner.horizon, 2))


EQUAL = [path.stem for path in Path("configs/planners").glob("*_equal_calls.yaml") if "open_loop" not in path.stem]


@pytest.mark.parametrize("name", ["gradient", "gradient_initialized", *sorted(EQUAL)])
def test_planners_to_replan_with_spend_128_rollouts_or_the_nearest_number_below(name):
    calls = int(planned(name).model_calls)
    assert calls == (126 if name.startswith("gradcem") else 128) * 50


@pytest.mark.parametrize("name", ["gradient_open_loop", "cem_open_loop_equal_calls"])
def test_planners_to_plan_once_with_spend_500_rollouts(name):
    assert int(planned(name).model_calls) == 500 * 50


@pytest.mark.parametrize(("name", "rollouts"), [("cem", 9_000), ("gradcem", 27_000), ("gradient_paper", 202)])
def test_planners_of_the_field_spend_what_their_comments_say(name, rollouts):
    assert int(planned(name).model_calls) == rollouts * 50


BUDGETS = Path("experiments/budgets").glob("planner_budgets*.yaml")
SWEEPS = {path.stem: yaml.safe_load(path.read_text()) for path in BUDGETS}
SWEEPS = {name: SWEEPS["planner_budgets"] | settings for name, settings in SWEEPS.items()}  # one file is like it
TRIED = {
    f"{sweep}, {name}, {i}": (
        sweep,
        {
            "class_path": entry["class_path"],
            "init_args": {"horizon": settings["horizon"]} | entry["shared"] | setting,
        },
    )
    for sweep, settings in SWEEPS.items()
    for name, entry in settings["planners"].items()
    for i, setting in enumerate(entry["tried"])
}


@pytest.mark.parametrize(("sweep", "setting"), TRIED.values(), ids=TRIED)
def test_every_setting_of_a_sweep_spends_its_budget(sweep, setting):
    made = parser()
    planner = made.instantiate(made.parse_object({"planner": setting})).planner
    rollouts, most = int(replanned(planner).model_calls) / planner.horizon, SWEEPS[sweep]["rollouts"]
    assert most - SWEEPS[sweep]["unspent"] <= rollouts <= most


@pytest.mark.parametrize("sweep", SWEEPS.values(), ids=SWEEPS)
def test_a_sweep_tries_as_many_settings_of_every_planner_that_has_something_to_split(sweep):
    counts = {name: len(entry["tried"]) for name, entry in sweep["planners"].items()}
    assert counts.pop("random shooting", 1) == 1
    assert set(counts.values()) == {6}
