"""The examples run; examples/sb3_sac_her.py is in tests/envs."""

import runpy

import numpy as np
import pytest

import gbplan.plots

pytestmark = pytest.mark.end_to_end


def test_see_the_gap_draws_both_models(base_run, monkeypatch, tmp_path, capsys):
    model, figure = str(base_run / "best.ckpt"), tmp_path / "gap.png"
    monkeypatch.setattr("sys.argv", ["see_the_gap.py", "--models", model, model, "--output", str(figure)])
    runpy.run_path("examples/see_the_gap.py", run_name="__main__")
    assert figure.read_bytes().startswith(b"\x89PNG")
    first, second, _ = capsys.readouterr().out.splitlines()
    assert first.split(", ")[:3] == second.split(", ")[:3]  # all but the time


def test_see_the_landscape_draws_truth_and_models(base_run, monkeypatch, tmp_path):
    for method in ("base", "adversarial", "online", "online_adversarial"):
        (tmp_path / method).symlink_to(base_run)
    figure = tmp_path / "landscape.png"
    monkeypatch.setattr("sys.argv", ["see_the_landscape.py", "--runs", str(tmp_path), "--output", str(figure)])
    drawn = {}
    draw = gbplan.plots.plot_landscape
    monkeypatch.setattr(
        gbplan.plots,
        "plot_landscape",
        lambda x, y, loss, *rest, **kw: drawn.update(loss) or draw(x, y, loss, *rest, **kw),
    )
    runpy.run_path("examples/see_the_landscape.py", run_name="__main__")
    assert figure.read_bytes().startswith(b"\x89PNG")
    truth, *models = drawn.values()
    assert list(drawn) == ["truth", "base", "adversarial", "online", "online_adversarial"]
    for loss in models:  # one model, whatever it is called here
        np.testing.assert_array_equal(loss, models[0])
    assert not np.allclose(truth, models[0])


def test_control_loop_reports_success_and_speed(base_run, monkeypatch, capsys):
    model = str(base_run / "best.ckpt")
    monkeypatch.setattr("sys.argv", ["control_loop.py", "--model", model, "--replan_every", "10"])
    runpy.run_path("examples/control_loop.py", run_name="__main__")
    outcome, speed = capsys.readouterr().out.splitlines()
    assert "reached after" in outcome
    assert "plans per second" in speed


def test_own_environment_is_collected_from_trained_on_and_planned_in(monkeypatch, tmp_path, capsys):
    monkeypatch.syspath_prepend("examples")  # as for any script
    small = ["--folder", str(tmp_path), "--episodes", "60", "--epochs", "1", "--tasks", "2"]
    monkeypatch.setattr("sys.argv", ["own_environment.py", *small])
    runpy.run_path("examples/own_environment.py", run_name="__main__")
    assert "planning through the model: success " in capsys.readouterr().out


def test_own_world_model_is_trained_online_and_planned_through(monkeypatch, tmp_path, capsys):
    small = ["--folder", str(tmp_path), "--episodes", "40", "--rounds", "1", "--tasks", "1", "--tasks_per_round", "2"]
    monkeypatch.setattr("sys.argv", ["own_world_model.py", *small])
    runpy.run_path("examples/own_world_model.py", run_name="__main__")
    assert "after 1 rounds: success " in capsys.readouterr().out
