import re
from pathlib import Path

import pytest
from jsonargparse import ArgumentParser
from PIL import Image

import gbplan.policies  # noqa: F401, so that the yaml may name its classes
from gbplan.cli import main
from gbplan.cli.demo import agent
from gbplan.policies import Agent

pytestmark = pytest.mark.end_to_end


def test_agent_is_that_of_the_configuration():
    parser = ArgumentParser()
    parser.add_class_arguments(Agent, "agent", sub_configs=True)
    path = Path("configs/agents/gradient_mpc.yaml")
    assert parser.instantiate(parser.parse_args([f"--agent={path}"])).agent == agent()


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """What the demo prints, and its GIF."""
    import contextlib
    import io

    path, said = tmp_path_factory.mktemp("demo") / "demo.gif", io.StringIO()
    with contextlib.redirect_stdout(said):
        main(["demo", f"--output={path}"])
    return said.getvalue(), path


def test_base_model_believes_more_than_it_solves_and_the_other_one_solves_more(shown):
    rows = re.findall(r"(.+): +solves (\d) of 8 tasks; (\d) of its 8 first plans arrive in imagination\n", shown[0])
    (base, base_solves, base_believes), (ours, ours_solves, _) = rows
    assert (base, ours) == ("base", "online + adversarial")
    assert int(base_believes) > int(base_solves)
    assert int(ours_solves) > int(base_solves)


def test_gif_is_where_the_output_says_and_moves(shown):
    said, path = shown
    assert f"see {path}\n" in said
    with Image.open(path) as gif:
        assert gif.n_frames > 30
        first = gif.convert("RGB")
        gif.seek(gif.n_frames - 1)
        assert gif.convert("RGB").tobytes() != first.tobytes()


def test_file_that_is_there_is_kept(tmp_path, capsys):
    (tmp_path / "mine.gif").write_text("mine")
    with pytest.raises(SystemExit) as end:
        main(["demo", f"--output={tmp_path}/mine.gif"])
    assert end.value.code == 2
    assert "replace it with --overwrite" in capsys.readouterr().err
    assert (tmp_path / "mine.gif").read_text() == "mine"


@pytest.mark.parametrize("output", ["demo.png", "demo", ".", ""])
def test_output_must_be_a_gif(output, capsys):
    with pytest.raises(SystemExit) as end:
        main(["demo", "--output", output])
    assert end.value.code == 2
    assert f"output must be a file that ends in .gif, got {output!r}" in capsys.readouterr().err
