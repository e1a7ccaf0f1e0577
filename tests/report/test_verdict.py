"""Sentences and matrices of results whose every number is known."""

import numpy as np
import pytest

from gbplan.report.matrix import matrices
from gbplan.report.training_seeds import over_training_seeds
from gbplan.report.verdict import Number, verdict

TASKS = 200


@pytest.fixture
def write(tmp_path):
    """Return a function that gives a result of so many solved tasks, the first ones, and writes their outcomes."""

    def write(name, solved, model="base", start="", seed=0, believed=1.0, kind="detour", first=0, **environment):
        folder = tmp_path / f"{name}-{seed}-{kind}"
        folder.mkdir()
        hits = (np.arange(TASKS) >= first) & (np.arange(TASKS) < first + solved)
        (folder / f"{kind}.csv").write_text("\n".join(["first_hit", *(str(10 if hit else -1) for hit in hits)]))
        rate = solved / TASKS
        metrics = {
            "count": TASKS,
            "success": {"rate": rate, "low": rate - 0.05, "high": rate + 0.05},
            "within": None,
            "believed_success": None if believed is None else {"rate": believed},
            "planning": {"model_calls_per_plan": 6400.0, "seconds_per_plan": 0.1},
            "missing": {} if believed is not None else {"believed_success": "no probe"},
        }
        planner = {"planner": {"class": "GradientPlanner"}, "mode": "MPC"}
        runs = f"runs/seed{seed}" if seed else "runs"
        digest = f"{model} {seed}"
        trained = {"data": {"seed": seed}} | ({"init_from": f"{runs}/{start}/best.ckpt"} if start else {})
        return {
            "name": name,
            "folder": str(folder),
            "method": {"policy": name}
            if model is None
            else {"model": f"{runs}/{model}/best.ckpt", "model_sha256": digest, **planner},
            "training": None if model is None else trained,
            "environment": {"split": "held_out", **environment},
            "tasks": {kind: metrics},
        }

    return write


def said(*results):
    """The verdict on the hardest tasks as text."""
    first, *_ = matrices(over_training_seeds([*results]))
    sentences = verdict(first, [*results])
    return ["".join(part.text if isinstance(part, Number) else part for part in sentence) for sentence in sentences]


def test_finetuned_model_that_solves_more_of_the_same_tasks_is_ahead(write):
    base = write("base-gradient-mpc", 80, believed=0.98)
    online = write("online-gradient-mpc", 180, "online", "base", believed=0.8)
    first, second, third = said(base, online)
    assert first == (
        "The base model, base, solves 40.0 % [35.0, 45.0] of 200 held-out detour tasks with gradient-mpc; "
        "the finetuned one, online, solves 90.0 % [85.0, 95.0]."
    )
    assert second.startswith("Paired task by task, at 95 %, online is ahead of base by 50.0 points [4")
    assert second.endswith("It is one training of each: another seed may order them otherwise.")
    assert third == (
        "Belief beside success: base believes in 98.0 % of its first plans, 58.0 points more than it solves; "
        "online believes in 80.0 % of its first plans, 10.0 points fewer than it solves."
    )


def test_difference_that_chance_could_make_is_none_and_one_the_other_way_is_behind(write):
    base = write("base-gradient-mpc", 80)
    level = write("noise-gradient-mpc", 83, "noise", "base")
    behind = write("pgd-gradient-mpc", 40, "pgd", "base")
    _, sentence, _ = said(base, level, behind)
    assert "noise cannot be told from base: +1.5 points [-" in sentence
    assert "; pgd is behind." in sentence
    _, sentence, _ = said(base, behind)
    assert "pgd is behind base by 20.0 points [1" in sentence


def test_every_other_model_is_in_its_group(write):
    base = write("base-gradient-mpc", 80)
    better = [write(f"{name}-gradient-mpc", 180 + i, name, "base") for i, name in enumerate("abc")]
    other = write("other-gradient-mpc", 90, "other", "base", door=0.5)
    first, second, _ = said(base, *better, other)
    assert "the best of 3 finetuned models, c, solves" in first  # what is of another world is not compared
    assert "; a and b are ahead." in second


def test_training_seeds_are_taken_together(write):
    results = [write("base-gradient-mpc", 80 + seed, seed=seed) for seed in range(3)]
    results += [write("online-gradient-mpc", 180 + seed, "online", "base", seed=seed) for seed in range(3)]
    first, second, _ = said(*results)
    assert "40.5 % [" in first
    assert "(mean of 3 training seeds)" in first
    assert "online is ahead of base by 50.0 points [" in second
    assert second.endswith("Each was trained with 3 seeds, which the intervals count.")


def test_one_run_only_is_compared_with_nothing(write):
    (first, second) = said(write("mine", 80, "runs", believed=None))
    assert first == (
        "The base model, mine, solves 40.0 % [35.0, 45.0] of 200 held-out detour tasks with Gradient, MPC; "
        "no finetuned model stands beside it."
    )
    assert second == "Belief beside success: mine has no known beliefs (no probe)."
    assert said(write("tuned", 80, "tuned", "base"))[0].startswith(
        "There is one model with Gradient, MPC: tuned, which"
    )


def test_without_a_base_model_no_gain_is_reported(write):
    results = [write(f"{name}-gradient-mpc", solved, name, "base") for name, solved in (("a", 80), ("b", 120))]
    first, second = said(*results)
    assert first == (
        "b is the best of 2 models planned with gradient-mpc: it solves 60.0 % [55.0, 65.0] of 200 held-out detour "
        "tasks; "
        "there is no base model beside them, so what finetuning gains is not known."
    )
    assert second == (
        "Belief beside success: b believes in 100.0 % of its first plans, 40.0 points more than it solves; "
        "a believes in 100.0 % of its first plans, 60.0 points more than it solves."
    )


def test_shipped_base_model_is_the_base_of_the_models_beside_it(write):
    results = []
    for name, solved, believed in (("online-adversarial", 190, 0.84), ("base", 80, 0.95)):
        shipped = write(name, solved, believed=believed)
        shipped["method"] |= {"model": f"door-wall/{name}", "model_sha256": None}
        results.append(shipped | {"training": None})
    first, second, third = said(*results)
    assert first.startswith("The base model, base, solves 40.0 %")
    assert "the finetuned one, online-adversarial, solves 95.0 %" in first
    assert "online-adversarial is ahead of base by 55.0 points" in second
    assert third.startswith("Belief beside success: base believes in 95.0 % of its first plans, 55.0 points more")


def test_belief_farthest_above_success_is_stated_whoever_has_it(write):
    base = write("base-gradient-mpc", 80, believed=0.5)
    proud = write("proud-gradient-mpc", 90, "proud", "base", believed=0.99)
    best = write("online-gradient-mpc", 180, "online", "base", believed=0.8)
    *_, third = said(base, proud, best)
    assert third.endswith("; proud believes in 99.0 % of its first plans, 54.0 points more than it solves.")


def test_policies_alone_are_no_models(write):
    results = [write("expert", 200, None), write("random", 2, None)]
    assert said(*results) == [
        "No model was evaluated here; the best of 2 policies, expert, solves 100.0 % [95.0, 105.0] of 200 held-out "
        "detour tasks."
    ]


def test_results_of_one_name_in_other_worlds_are_not_mistaken_for_each_other(write):
    base, elsewhere = write("base-gradient-mpc", 80), write("base-gradient-mpc", 10, seed=1, door=0.5)
    _, second, _ = said(base, write("online-gradient-mpc", 180, "online", "base"), elsewhere)
    assert "online is ahead of base by 50.0 points" in second


def test_what_is_not_on_the_same_tasks_is_not_compared(write):
    base, online = write("base-gradient-mpc", 80), write("online-gradient-mpc", 180, "online", "base", seed=1)
    _, second, _ = said(base, online)
    assert second.startswith("Whether online is ahead of base cannot be told task by task")


def test_numbers_name_the_files_of_all_their_seeds(write):
    results = [write("base-gradient-mpc", 80 + seed, seed=seed) for seed in range(2)]
    (matrix,) = matrices(over_training_seeds(results))
    (number,) = [part for part in verdict(matrix, results)[0] if isinstance(part, Number)]
    assert number.results[0]["folders"] == [result["folder"] for result in results]


def test_methods_are_rows_and_planners_columns(write):
    results = [write("expert", 200, None)]
    for model, start in (("base", ""), ("online_noise", "base"), ("large", "base")):
        for place, planner in enumerate(("gradient-open", "gradient-mpc")):
            result = write(f"{model}-{planner}", 40 * place + 1, model, start)
            result["method"]["planner"] = {"class": "GradientPlanner", "iterations": place}
            results.append(result)
    perfect = write("perfect-gradient-mpc", 199)
    perfect |= {"training": None, "method": perfect["method"] | {"model": "Simulator"}}
    (matrix,) = matrices([*results, perfect])
    assert matrix.planners == ["gradient-open", "gradient-mpc"]
    assert [(row.label, row.role, list(row.cells)) for row in matrix.rows] == [
        ("base", "base", ["gradient-open", "gradient-mpc"]),
        ("online_noise", "finetuned", ["gradient-open", "gradient-mpc"]),
        ("large", "finetuned", ["gradient-open", "gradient-mpc"]),
        ("perfect", "model", ["gradient-mpc"]),
        ("expert", "policy", [""]),
    ]
    assert matrix.rows[1].cells["gradient-mpc"]["name"] == "online_noise-gradient-mpc"


def test_results_that_no_name_tells_apart_have_their_own_cells(write):
    one, two, elsewhere = write("mine", 80), write("mine", 90, seed=1), write("mine", 100, seed=2, door=0.5)
    two["method"]["planner"] = {"class": "GradientPlanner", "iterations": 7}
    (matrix,) = matrices([one, two, elsewhere])
    assert [(row.label, list(row.cells)) for row in matrix.rows] == [
        ("mine", ["Gradient, MPC", "Gradient, MPC (2)"]),
        ("mine (2)", ["Gradient, MPC"]),
    ]


def test_hardest_tasks_come_first(write):
    easy, hard = write("base-gradient-mpc", 150, kind="uniform"), write("base-gradient-mpc", 50)
    assert [matrix.kind for matrix in matrices([easy, hard])] == ["detour", "uniform"]
