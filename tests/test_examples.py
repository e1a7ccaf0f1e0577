"""The examples run; examples/sb3_sac_her.py is in tests/envs."""

import runpy


def test_see_the_gap_draws_both_models(base_run, monkeypatch, tmp_path, capsys):
    model, figure = str(base_run / "best.ckpt"), tmp_path / "gap.png"
    monkeypatch.setattr("sys.argv", ["see_the_gap.py", "--models", model, model, "--output", str(figure)])
    runpy.run_path("examples/see_the_gap.py", run_name="__main__")
    assert figure.read_bytes().startswith(b"\x89PNG")
    first, second, _ = capsys.readouterr().out.splitlines()
    assert first.split(", ")[:3] == second.split(", ")[:3]  # all but the time
