import csv
import importlib
import json
import sys
import weakref

import numpy as np
import pytest
import tiny_world  # noqa: F401, registers the environment
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

from gbplan.evaluation import TaskSet, run, run_evaluation
from gbplan.evaluation.planning_evaluation import TrainerOptions
from gbplan.networks import ConvEncoder, Decoder, IdentityEncoder, MLPPredictor, WorldModel
from gbplan.objectives import GoalMSE
from gbplan.planners import GradientPlanner
from gbplan.policies import Agent, StraightLinePolicy
from gbplan.report import figures, report, results_table
from gbplan.report.result_files import RESULT_FILE, read_result

DIAGNOSTIC_METRICS = ("gradient_alignment", "input_smoothness")
FEW = {
    "tasks": TaskSet("DoorWall-v0", kind="detour", count=4, split="validation", min_distance=1.0),
    "thresholds": [0.25, 1.0],
}


def test_result_says_what_was_measured_and_how(evaluated):
    result = read_result(evaluated / "base" / RESULT_FILE)
    assert result["name"] == "base"
    assert result["method"]["planner"]["class"] == "GradientPlanner"
    assert result["method"]["planner"]["iterations"] == 2
    assert result["method"]["mode"] == "MPC"
    assert (result["method"]["horizon"], result["method"]["horizon_environment_steps"]) == (10, 10)
    assert result["environment"]["split"] == "validation"
    training = result["training"]
    assert training["class"] == "WorldModelModule"
    assert training["data"]["datasets"] == ["door-wall/tiny-v0"]
    assert training["validation_horizons"] == [1, 5, 10]
    assert read_result(evaluated / "straight" / RESULT_FILE)["training"] is None
    metrics = result["tasks"]["detour"]
    assert metrics["count"] == 4
    assert list(metrics["within"]) == ["0.25", "1"]
    assert metrics["missing"] == {}
    assert metrics["planning"]["model_calls_per_plan"] == 10 * (4 + 2 * 2 + 1)
    assert {"expert", "planned"} <= metrics["model_error"].keys()
    assert result["provenance"]["torch"]


# A plan of 4 model steps is executed whole where 9 would be.
@pytest.mark.parametrize(("every", "steps"), [(2, 10), (9, 20), (None, None)])
def test_result_counts_in_model_steps_and_in_environment_steps(every, steps):
    model = WorldModel(IdentityEncoder(2), MLPPredictor(2, 10, (4,)), action_block=5)
    method = run._method(Agent(GradientPlanner(horizon=4), replan_every=every).policy(model), None)
    assert (method["horizon"], method["horizon_environment_steps"]) == (4, 20)
    assert (method["replan_every"], method["replan_every_environment_steps"]) == (every, steps)


def test_a_model_with_a_decoder_leaves_a_filmstrip_and_one_without_takes_it_away(tmp_path, monkeypatch):
    def evaluated_with(decoder):
        model = WorldModel(ConvEncoder(3, 16, width=2), MLPPredictor(3, 6, (8,)), 2, decoder=decoder)
        monkeypatch.setattr(run, "_simulator", lambda *_: model)
        agent = Agent(GradientPlanner(2, 1, num_samples=2, restarts=1), GoalMSE())
        tasks = TaskSet("TinyPixels-v0", count=2, split="validation")
        run_evaluation(str(tmp_path), simulator=True, agent=agent, tasks=tasks, diagnostic_tasks=0, overwrite=True)
        with np.load(tmp_path / "default.npz") as arrays:
            return {path.name for path in tmp_path.glob("filmstrip*")}, dict(arrays)

    files, arrays = evaluated_with(Decoder(3, 16, width=2))
    assert files == {"filmstrip-default.png", "filmstrip-default.gif"}
    assert arrays["frames executed"].shape == arrays["frames imagined"].shape == (12, 16, 16, 3)
    assert list(figures.drawings([(tmp_path, read_result(tmp_path / RESULT_FILE))], [])) == [
        "success-default",
        "filmstrip-default",
    ]
    files, arrays = evaluated_with(None)
    assert not files
    assert "frames executed" not in arrays


def test_csv_has_one_row_per_task(evaluated):
    with (evaluated / "base" / "detour.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["task"] for row in rows] == ["0", "1", "2", "3"]
    assert float(rows[0]["start_distance"]) > 1.0


def test_arrays_to_draw_are_those_of_the_first_episodes(evaluated):
    with np.load(evaluated / "base" / "detour.npz") as arrays:
        executed, goals, imagined = arrays["executed"], arrays["goals"], arrays["imagined"]
        assert arrays["background"].shape == (6, 2, 2)  # two of the wall, four borders
        assert arrays["loss of model"].shape == arrays["loss of truth"].shape == (21, 21)
    assert executed.shape[::2] == imagined.shape[::2] == (len(goals), 2)
    with (evaluated / "base" / "detour.csv").open() as file:
        rows = list(csv.DictReader(file))
    for row, path, goal in zip(rows, executed, goals, strict=False):
        path = path[~np.isnan(path[:, 0])]
        assert len(path) == int(row["steps"]) + 1
        assert np.linalg.norm(path[-1] - goal) == pytest.approx(float(row["final_distance"]), abs=1e-6)


def test_model_that_comes_with_the_package_is_evaluated_by_its_name(tmp_path):
    agent = Agent(GradientPlanner(horizon=10, num_samples=4, restarts=1, iterations=1))
    run_evaluation(str(tmp_path / "base"), pretrained="door-wall/base", agent=agent, diagnostic_tasks=0, **FEW)
    assert read_result(tmp_path / "base" / RESULT_FILE)["method"]["model"] == "door-wall/base"


@pytest.mark.parametrize("terminal", [True, False])
def test_progress_is_shown_on_a_terminal_and_not_in_a_log(tmp_path, capsys, monkeypatch, terminal):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    run_evaluation(str(tmp_path / "straight"), policy=StraightLinePolicy(), **FEW)
    assert ("straight, detour: " in capsys.readouterr().err) == terminal


def test_tensorboard_shows_a_line_in_hparams_a_table_and_paths_but_no_single_points(evaluated):
    events = EventAccumulator(str(evaluated / "base")).Reload()
    tags = events.Tags()
    assert tags["scalars"] == []
    assert tags["images"] == ["evaluation/detour"]
    (table,) = events.Tensors("evaluation/text_summary")
    assert table.tensor_proto.string_val[0].decode().startswith("| base ")
    metadata = events.summary_metadata["_hparams_/session_start_info"]
    session = HParamsPluginData.FromString(metadata.plugin_data.content).session_start_info.hparams
    success = read_result(evaluated / "base" / RESULT_FILE)["tasks"]["detour"]["success"]["rate"]
    assert session["1_success/detour"].number_value == success  # by which to sort
    assert session["planner/iterations"].number_value == 2
    assert session["planner/class"].string_value == "GradientPlanner"


def test_metrics_of_a_model_that_diverges_are_null_not_lost(tmp_path):
    from gbplan.report.result_files import write_result

    write_result(
        tmp_path, {"name": "x", "tasks": {"detour": {"error": float("nan"), "steps": [1.0, float("inf")]}}}, {}, {}
    )
    assert json.loads((tmp_path / RESULT_FILE).read_text())["tasks"]["detour"] == {"error": None, "steps": [1.0, None]}


def test_commit_of_a_changed_checkout_is_marked(tmp_path, monkeypatch):
    import subprocess

    import gbplan
    from gbplan.evaluation.provenance import provenance

    package = tmp_path / "gbplan"
    package.mkdir()
    (package / "__init__.py").write_text("")
    git = ["git", "-C", str(tmp_path), "-c", "user.name=t", "-c", "user.email=t@t"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "one"]):
        subprocess.run([*git, *command], check=True)
    monkeypatch.setattr(gbplan, "__file__", str(package / "__init__.py"))
    assert not provenance()["commit"].endswith("+")
    (package / "__init__.py").write_text("changed = True")
    assert provenance()["commit"].endswith("+")


def test_report_lays_out_all_results(evaluated, capsys, tmp_path):
    report(str(evaluated), output=str(tmp_path / "table.md"))
    table, _, where = capsys.readouterr().out.rpartition("\n\n")
    assert (tmp_path / "table.md").read_text() == f"<!-- made by gbplan report -->\n\n{table}\n"
    assert where == f"the table is in {tmp_path / 'table.md'}\n"
    rows = [line.split("|") for line in table.splitlines() if line.startswith("|")]
    assert [row[1].strip() for row in rows[2:]] == ["base", "straight"]
    assert {len(row) for row in rows} == {len(rows[0])}


def test_report_shows_chosen_columns(evaluated, capsys):
    report(str(evaluated), columns=["result", "success", "SPL"])
    header = capsys.readouterr().out.splitlines()[0]
    assert [cell.strip() for cell in header.strip("|").split("|")] == ["result", "success %", "SPL"]
    with pytest.raises(ValueError, match="no column begins with 'speed'; there are result, tasks"):
        report(str(evaluated), columns=["speed"])


def test_report_shows_chosen_results_and_kinds(evaluated, capsys):
    report(str(evaluated), names=["str*"], kinds=["detour"])
    rows = [line.split("|") for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    assert [(row[1].strip(), row[2].strip()) for row in rows[2:]] == [("straight", "detour")]
    with pytest.raises(ValueError, match="no result is named cem; there are base, straight"):
        report(str(evaluated), names=["cem"])
    with pytest.raises(ValueError, match="no result has tasks of kind maze; there are detour"):
        report(str(evaluated), kinds=["maze"])


def test_diagnostics_are_in_every_output_but_in_the_table_only_when_asked_for(evaluated, capsys):
    metrics = read_result(evaluated / "base" / RESULT_FILE)["tasks"]["detour"]
    assert list(metrics["gradient_alignment"]) == ["tasks", "1", "5", "10"]
    assert metrics["input_smoothness"]["planned"]["environment"]["max"] > 0
    assert read_result(evaluated / "straight" / RESULT_FILE)["tasks"]["detour"]["gradient_alignment"] is None
    with (evaluated / "base" / "detour.csv").open() as file:
        cosine = [float(row["cosine@10"]) for row in csv.DictReader(file)]
    assert all(-1 <= value <= 1 for value in cosine if value == value)

    report(str(evaluated))
    assert "cosine@10 |" not in capsys.readouterr().out
    report(str(evaluated), columns=["result", "cosine@10", "gain planned"])
    header, _, base, straight = (line.strip("|").split("|") for line in capsys.readouterr().out.splitlines()[:4])
    assert [cell.strip() for cell in header] == ["result", "cosine@10", "gain planned"]
    aligned = metrics["gradient_alignment"]["10"]
    assert base[1].strip() == f"{aligned['cosine']:.2f} / {round(4 * (1 - aligned['excluded']))}"
    assert [cell.strip() for cell in straight] == ["straight", "", ""]


def test_result_without_diagnostics_is_shown_as_before(tmp_path):
    policy = {"simulator": True, "agent": Agent(GradientPlanner(horizon=5, iterations=1))}
    run_evaluation(str(tmp_path / "run"), diagnostic_tasks=0, **policy, **FEW)
    result = read_result(tmp_path / "run" / RESULT_FILE)
    assert result["tasks"]["detour"]["gradient_alignment"] is None
    old = {key: value for key, value in result["tasks"]["detour"].items() if key not in DIAGNOSTIC_METRICS}
    assert results_table([result | {"tasks": {"detour": old}}]) == results_table([result])


def test_table_shows_a_rounding_error_below_zero_as_zero(evaluated):
    result = read_result(evaluated / "base" / RESULT_FILE)
    result["tasks"]["detour"]["final_distance"]["mean"] = -1e-9
    assert "-0.0" not in results_table([result], ["distance"], notes=False)
    assert "0.00" in results_table([result], ["distance"], notes=False)


def test_existing_result_is_kept_unless_overwritten(evaluated):
    folder = evaluated / "straight"
    before = (folder / RESULT_FILE).read_bytes()
    with pytest.raises(FileExistsError, match=r"already holds a result; .*--overwrite"):
        run_evaluation(str(folder), policy=StraightLinePolicy(), **FEW)
    assert (folder / RESULT_FILE).read_bytes() == before
    run_evaluation(str(folder), policy=StraightLinePolicy(), overwrite=True, **FEW)
    assert json.loads((folder / RESULT_FILE).read_text())["tasks"] == json.loads(before)["tasks"]
    assert len(list(folder.glob("events.out.tfevents*"))) == 1  # else TensorBoard would show both


@pytest.mark.end_to_end
@pytest.mark.parametrize("trainer", [None, TrainerOptions("cpu")], ids=["alone", "by the trainer"])
def test_two_processes_measure_what_one_does(tmp_path, trainer, without_figures):
    found = []
    for number in (1, 2):
        folder = tmp_path / str(number)
        agent = {"pretrained": "door-wall/base", "agent": Agent(GradientPlanner(horizon=5, iterations=1))}
        run_evaluation(str(folder), num_processes=number, diagnostic_tasks=0, trainer=trainer, **agent, **FEW)
        found.append(read_result(folder / RESULT_FILE)["tasks"])
        for metrics in found[-1].values():
            metrics["planning"].pop("seconds_per_plan", None)
    assert found[0] == found[1]


def test_failed_evaluation_leaves_no_result(tmp_path):
    with pytest.raises(ValueError, match="task must be one of"):
        run_evaluation(str(tmp_path / "run"), policy=StraightLinePolicy(), kinds=["uniform", "no such kind"], **FEW)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "give exactly one of --ckpt_path, --pretrained, --simulator and --policy, got none"),
        ({"policy": StraightLinePolicy(), "ckpt_path": "x"}, "got ckpt_path and policy"),
        ({"ckpt_path": "x"}, "a world model needs an agent"),
        ({"policy": StraightLinePolicy(), "agent": Agent(GradientPlanner())}, "StraightLinePolicy does not plan"),
        ({"policy": StraightLinePolicy(), "kinds": ["detour"] * 2}, "kinds must not repeat a kind of tasks"),
        (
            {"policy": StraightLinePolicy(), "tasks": TaskSet()},
            "the tasks have no environment; name one with tasks.env_id",
        ),
        ({"policy": StraightLinePolicy(), "error_horizon": 0}, "error_horizon must be at least 1, got 0"),
        (
            {"policy": StraightLinePolicy(), "diagnostic_tasks": -1},
            "diagnostic_tasks must be finite and not negative, got -1",
        ),
        ({"policy": StraightLinePolicy(), "device": "warp"}, "device 'warp' cannot be used"),
        (
            {
                "simulator": True,
                "agent": Agent(GradientPlanner()),
                "tasks": TaskSet("DoorWall-v0", {"contact": "stop"}, count=2),
                "num_threads": 1,  # else processes are started for it
            },
            "an environment has no gradients to plan with",
        ),
    ],
)
def test_contradictory_arguments_are_named(tmp_path, arguments, message):
    with pytest.raises(ValueError, match=message):
        run_evaluation(str(tmp_path / "run"), **FEW | arguments)


def test_output_without_a_name_is_refused():
    with pytest.raises(ValueError, match="output must name a folder"):
        run_evaluation("", policy=StraightLinePolicy(), **FEW)


def test_missing_checkpoint_and_missing_results_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no checkpoint at"):
        run_evaluation(
            str(tmp_path / "run"), ckpt_path=str(tmp_path / "no.ckpt"), agent=Agent(GradientPlanner()), **FEW
        )
    with pytest.raises(FileNotFoundError, match="there are no results in"):
        report(str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"there is no folder .*missing; name one"):
        report(str(tmp_path / "missing"))


def test_unknown_kind_of_tasks_is_refused_before_the_model_is_read(tmp_path):
    planning = {"ckpt_path": str(tmp_path / "no.ckpt"), "agent": Agent(GradientPlanner())}
    with pytest.raises(ValueError, match="DoorWall-v0 has no tasks of kind 'detor'"):
        run_evaluation(str(tmp_path / "run"), **planning, **FEW, kinds=["uniform", "detor"])


def test_output_that_cannot_be_written_is_named_before_anything_runs(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(PermissionError, match="cannot write to"):
        run_evaluation(str(tmp_path / "file" / "run"), policy=StraightLinePolicy(), **FEW)


def test_broken_result_file_is_named(tmp_path):
    (tmp_path / RESULT_FILE).write_text('{"name": ')
    with pytest.raises(ValueError, match="is not a result file"):
        report(str(tmp_path))


def test_episodes_of_one_kind_are_gone_when_the_next_begins(tmp_path, monkeypatch):
    module = importlib.import_module("gbplan.evaluation.run")
    evaluate, seen = module.evaluate, []

    def watched(*arguments, **settings):
        assert [result() for result in seen] == [None] * len(seen)
        result = evaluate(*arguments, **settings)
        seen.append(weakref.ref(result.trajectories))
        return result

    monkeypatch.setattr(module, "evaluate", watched)
    tasks = TaskSet("DoorWall-v0", count=2, split="validation", min_distance=1.0)
    run_evaluation(str(tmp_path / "x"), policy=StraightLinePolicy(), tasks=tasks, kinds=["detour", "uniform"])
    assert len(seen) == 2


def test_an_evaluation_into_the_folder_of_a_training_keeps_the_training_s_curves(tmp_path):
    curves = tmp_path / "events.out.tfevents.0.training"
    curves.write_bytes(b"curves")
    run_evaluation(str(tmp_path), policy=StraightLinePolicy(), diagnostic_tasks=0, **FEW)
    assert curves.read_bytes() == b"curves"
