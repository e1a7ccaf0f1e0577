"""``--keep``: commands that finish what is unfinished."""

import json
import sys
from pathlib import Path

import pytest

from gbplan.cli import main

pytestmark = pytest.mark.usefixtures("without_figures")
TASKS = ["--tasks.env_id=DoorWall-v0", "--tasks.count=2", "--num_threads=1"]


def run(*args):
    main([str(each) for each in args])


def collect(root, *more):
    run("collect", "--env_id=DoorWall-v0", "--dataset_id=door/a-v0", "--episodes=3", f"--root={root}", *more)


def evaluate(folder, *more):
    run("evaluate", f"--output={folder}", "--policy=StraightLinePolicy", *TASKS, *more)


def fit(root, folder, *more):
    model = {
        "class_path": "WorldModelModule",
        "init_args": {
            "world_model": {
                "class_path": "WorldModel",
                "init_args": {
                    "encoder": {"class_path": "IdentityEncoder", "init_args": {"dim": 2}},
                    "predictor": {
                        "class_path": "MLPPredictor",
                        "init_args": {"latent_dim": 2, "action_dim": 2, "hidden_sizes": [8]},
                    },
                },
            },
            "validation_horizons": [1],
        },
    }
    quiet = [f"--trainer.{each}=false" for each in ("enable_progress_bar", "enable_model_summary")]
    data = [
        "--data.datasets=[door/a-v0]",
        f"--data.root={root}",
        "--data.validation_steps=1",
        "--data.validation_fraction=0.4",
    ]
    run(
        "fit", f"--model={json.dumps(model)}", *data, "--trainer.accelerator=cpu", "--trainer.max_epochs=4",
        f"--trainer.default_root_dir={folder}", *quiet, *more,
    )  # fmt: skip


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def refused(capsys, command, *args):
    capsys.readouterr()
    with pytest.raises(SystemExit) as stop:
        command(*args)
    printed = capsys.readouterr().err
    assert stop.value.code == 2
    assert printed.count("\n") == 1
    return printed


def test_an_evaluation_that_is_done_is_not_repeated(tmp_path, capsys):
    folder = tmp_path / "result"
    evaluate(folder, "--keep")
    before = contents(folder)
    evaluate(folder, "--keep")
    assert "done already" in capsys.readouterr().out
    assert contents(folder) == before


def test_an_evaluation_made_in_another_way_is_refused_with_the_differences_and_replaced_on_request(tmp_path, capsys):
    folder = tmp_path / "result"
    evaluate(folder)
    assert "tasks.seed: 0, now 1" in refused(capsys, evaluate, folder, "--keep", "--tasks.seed=1")
    evaluate(folder, "--keep", "--overwrite", "--tasks.seed=1")
    assert json.loads((folder / "result.json").read_text())["environment"]["task_seed"] == 1


@pytest.mark.parametrize("recipe", ["[" * 100_000, "[1]", '{"configuration": {}}'], ids=["depth", "list", "cut"])
def test_a_recipe_of_another_form_is_refused(tmp_path, capsys, recipe):
    folder = tmp_path / "result"
    evaluate(folder)
    (folder / "recipe.json").write_text(recipe)
    assert "recipe.json (which cannot be read: " in refused(capsys, evaluate, folder, "--keep")


def test_a_result_newer_than_its_recipe_is_made_again(tmp_path, capsys):
    folder = tmp_path / "result"
    evaluate(folder)
    (folder / "result.json").write_text("{}")  # as when the command ends between the two
    evaluate(folder, "--keep")
    assert json.loads((folder / "result.json").read_text())["name"] == "result"


def test_other_code_counts_as_another_result(tmp_path, capsys, monkeypatch):
    folder = tmp_path / "result"
    evaluate(folder)
    package = tmp_path / "gbplan"
    package.mkdir()
    (package / "__init__.py").write_text("# other sources\n")
    monkeypatch.setattr("gbplan.__file__", str(package / "__init__.py"))
    assert "code.gbplan: " in refused(capsys, evaluate, folder, "--keep")


MINE = """
from gbplan.policies import StraightLinePolicy


class Mine(StraightLinePolicy):
    def __init__(self, config: str = "easy"):
        super().__init__()
        self.config = config
"""


def test_settings_and_code_of_ones_own_count(tmp_path, capsys, monkeypatch):
    module = tmp_path / "kept_policies.py"
    module.write_text(MINE)
    monkeypatch.syspath_prepend(tmp_path)
    given = ["evaluate", f"--output={tmp_path}/result", "--policy=kept_policies.Mine", *TASKS]
    run(*given, "--policy.config=easy")
    run(*given, "--policy.config=easy", "--keep")
    assert "done already" in capsys.readouterr().out
    assert "config: easy, now hard" in refused(capsys, run, *given, "--policy.config=hard", "--keep")
    module.write_text(MINE + "# changed")
    assert "kept_policies.py: " in refused(capsys, run, *given, "--policy.config=easy", "--keep")


def test_what_is_missing_is_made_again(tmp_path, capsys):
    folder = tmp_path / "result"
    evaluate(folder, "--keep")
    for path in [*folder.glob("*.csv"), *folder.glob("*.npz")]:
        path.unlink()
        evaluate(folder, "--keep")
        assert path.exists()


@pytest.mark.end_to_end
def test_a_training_that_lost_its_best_model_begins_again(tmp_path):
    collect(tmp_path, "--policy=RandomPolicy")
    fit(tmp_path, tmp_path / "run")
    (tmp_path / "run" / "best.ckpt").unlink()
    last = (tmp_path / "run" / "last.ckpt").stat().st_mtime_ns
    fit(tmp_path, tmp_path / "run", "--keep")
    assert (tmp_path / "run" / "best.ckpt").exists()
    assert (tmp_path / "run" / "last.ckpt").stat().st_mtime_ns > last


def test_an_input_counts_as_it_was_when_the_command_began(tmp_path, monkeypatch, capsys):
    background = tmp_path / "walls.txt"
    background.write_text("before")
    given = ["evaluate", f"--output={tmp_path}/result", f"--name={background}", "--policy=StraightLinePolicy", *TASKS]
    import gbplan.evaluation.run as evaluation

    results_table = evaluation.results_table

    def replace_the_input(*args, **kwargs):
        background.write_text("after")
        return results_table(*args, **kwargs)

    monkeypatch.setattr(evaluation, "results_table", replace_the_input)
    run(*given)
    assert "walls.txt is another file" in refused(capsys, run, *given, "--keep")


def test_what_has_no_recipe_is_not_replaced(tmp_path, capsys):
    folder = tmp_path / "result"
    evaluate(folder)
    (folder / "recipe.json").unlink()
    before = contents(folder)
    assert "without the recipe.json" in refused(capsys, evaluate, folder, "--keep", "--overwrite")
    assert contents(folder) == before


def test_a_long_text_and_a_word_that_names_a_file_by_chance_are_not_inputs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("detour").write_text("one")
    evaluate(tmp_path / "result", f"--name={'a' * 300}", "--kinds=[detour]")
    Path("detour").write_text("two")
    evaluate(tmp_path / "result", f"--name={'a' * 300}", "--kinds=[detour]", "--keep")
    assert "done already" in capsys.readouterr().out


@pytest.mark.end_to_end
def test_a_training_of_other_data_is_refused_and_the_same_one_done(tmp_path, capsys):
    collect(tmp_path, "--policy=RandomPolicy", "--keep")
    collect(tmp_path, "--policy=RandomPolicy", "--keep")
    assert "done already" in capsys.readouterr().out
    fit(tmp_path, tmp_path / "run")
    before = contents(tmp_path / "run")
    fit(tmp_path, tmp_path / "run", "--keep")
    assert "done already" in capsys.readouterr().out
    assert contents(tmp_path / "run") == before
    collect(tmp_path, "--policy=RandomPolicy", "--seed=1", "--keep", "--overwrite")
    assert "main_data.hdf5 is another file" in refused(capsys, fit, tmp_path, tmp_path / "run", "--keep")


@pytest.mark.end_to_end
def test_an_interrupted_training_resumes_to_the_same_weights(tmp_path, monkeypatch):
    import torch
    from lightning.pytorch import Trainer

    collect(tmp_path, "--policy=RandomPolicy")
    fit(tmp_path, tmp_path / "whole")
    advance = Trainer.save_checkpoint

    def stop_after_second_epoch(self, *args, **kwargs):
        advance(self, *args, **kwargs)
        if self.current_epoch == 1 and str(args[0]).endswith("last.ckpt"):
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "save_checkpoint", stop_after_second_epoch)
        with pytest.raises(SystemExit) as stop:
            fit(tmp_path, tmp_path / "part", "--keep")
    assert stop.value.code == 130
    begun = torch.load(tmp_path / "part" / "last.ckpt", weights_only=True)["epoch"]
    assert begun == 1
    fit(tmp_path, tmp_path / "part", "--keep")
    whole, part = (torch.load(tmp_path / each / "last.ckpt", weights_only=True) for each in ("whole", "part"))
    assert part["epoch"] == whole["epoch"] == 3
    assert all(part["state_dict"][key].equal(value) for key, value in whole["state_dict"].items())


def test_a_report_is_made_again_only_for_other_results(tmp_path, capsys):
    evaluate(tmp_path / "results" / "a")
    table = tmp_path / "table.md"
    run("report", tmp_path / "results", f"--output={table}", "--keep")
    made = table.stat().st_mtime_ns
    run("report", tmp_path / "results", f"--output={table}", "--keep")
    assert table.stat().st_mtime_ns == made
    evaluate(tmp_path / "results" / "b")
    run("report", tmp_path / "results", f"--output={table}", "--keep")
    assert "| b " in table.read_text()
    run("report", tmp_path / "results", f"--output={table}", f"--html={tmp_path}/page.html", "--keep")
    assert (tmp_path / "page.html").exists()


@pytest.mark.end_to_end
def test_keep_is_refused_where_it_has_no_meaning(tmp_path, capsys):
    collect(tmp_path, "--policy=RandomPolicy")
    fit(tmp_path, tmp_path / "run")
    last = f"--ckpt_path={tmp_path}/run/last.ckpt"
    assert "leave --ckpt_path out" in refused(capsys, fit, tmp_path, tmp_path / "run", "--keep", last)


def test_a_report_that_is_only_printed_cannot_be_kept(tmp_path, capsys):
    evaluate(tmp_path / "results" / "a")
    assert "add --output" in refused(capsys, run, "report", tmp_path / "results", "--keep")


@pytest.fixture
def opened():
    """Names of the files opened from now on."""
    names, listening = [], [True]

    def hear(event, arguments):
        if listening[0] and event == "open" and isinstance(arguments[0], str):
            names.append(arguments[0])

    sys.addaudithook(hear)  # there is no way to remove it
    yield names
    listening[0] = False


def test_a_checkpoint_is_read_once_and_hashed_once(opened, base_run, tmp_path):
    path = base_run / "last.ckpt"
    agent = ["--agent=configs/agents/gradient_mpc.yaml", "--agent.planner.iterations=1"]
    asked = ["evaluate", f"--ckpt_path={path}", f"--output={tmp_path}/result", *agent, *TASKS, "--diagnostic_tasks=0"]
    opened.clear()
    run(*asked, "--keep")
    assert opened.count(str(path)) == 2
    opened.clear()
    run(*asked, "--keep")
    assert opened.count(str(path)) == 0
