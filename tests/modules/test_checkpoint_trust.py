"""Checkpoints of strangers are data: on no way into the package does one run what it says."""

import os
import pickle
import sys

import pytest
import torch

from gbplan.cli import run
from gbplan.data.segment import Segment, file_digest
from gbplan.evaluation import load_world_model
from gbplan.modules import load_encoder_weights, load_world_model_weights
from gbplan.networks import IdentityEncoder, InitNetwork, MLPPredictor, WorldModel


class Runs:
    """Runs a command when it is unpickled."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.system, (f"touch {self.marker}",)


@pytest.fixture
def marker(tmp_path):
    return tmp_path / "it-ran"


@pytest.fixture
def changed(base_run, tmp_path):
    """Return a function that writes the trained checkpoint with other entries."""

    def change(**entries):
        contents = torch.load(base_run / "last.ckpt", weights_only=True)
        torch.save(contents | entries, tmp_path / "last.ckpt")
        return str(tmp_path / "last.ckpt")

    return change


def model():
    return WorldModel(IdentityEncoder(2), MLPPredictor(2, 2))


READERS = {
    "evaluate": load_world_model,
    "init_from": lambda path: load_world_model_weights(model(), path),
    "encoder_from": lambda path: load_encoder_weights(IdentityEncoder(2), path),
    "init network": InitNetwork.from_checkpoint,
}


@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
def test_pickle_in_a_checkpoint_is_not_run(changed, marker, reader):
    path = changed(extra=Runs(marker))
    with pytest.raises(ValueError, match="not a complete checkpoint of plain data") as caught:
        reader(path)
    assert "\n" not in str(caught.value)
    assert not marker.exists()
    torch.load(path, weights_only=False)
    assert marker.exists()  # it would have run


@pytest.mark.end_to_end
@pytest.mark.parametrize("ckpt_path", ["{}/last.ckpt", "last"])
@pytest.mark.parametrize("asked", [[], ["--weights_only=false"]], ids=str)
def test_pickle_in_a_checkpoint_is_not_run_on_resuming(changed, marker, fit, tmp_path, ckpt_path, asked, monkeypatch):
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    changed(extra=Runs(marker))
    with pytest.raises((SystemExit, ValueError, pickle.UnpicklingError)):
        fit(tmp_path, f"--ckpt_path={ckpt_path.format(tmp_path)}", *asked, epochs=3)
    assert not marker.exists()


def test_checkpoint_is_not_fetched_from_elsewhere(fit, tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no checkpoint at https:/"):
        fit(tmp_path / "run", "--ckpt_path=https://example.invalid/last.ckpt")


def test_pickle_in_a_replay_buffer_is_not_run(marker, tmp_path):
    path = tmp_path / "000000.pt"
    torch.save({"lengths": Runs(marker)}, path)
    with pytest.raises(pickle.UnpicklingError):
        _ = Segment(path, file_digest(path)).lengths
    assert not marker.exists()


@pytest.fixture
def own_module(tmp_path, monkeypatch, marker):
    """A module that runs something when it is imported, as all modules do."""
    (tmp_path / "own_module_of_a_test.py").write_text(
        f"from gbplan.networks import IdentityEncoder\nopen({str(marker)!r}, 'w')\n\n"
        "class Own(IdentityEncoder):\n    pass\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    yield "own_module_of_a_test"
    sys.modules.pop("own_module_of_a_test", None)


@pytest.fixture
def naming(base_run, changed, own_module):
    """A checkpoint whose encoder is of that module."""
    arguments = torch.load(base_run / "last.ckpt", weights_only=True)["hyper_parameters"]
    arguments["world_model"]["init_args"]["encoder"]["class_path"] = f"{own_module}.Own"
    return changed(hyper_parameters=arguments)


def test_checkpoint_does_not_choose_what_is_imported(naming, own_module, marker):
    with pytest.raises(ValueError, match=rf"names the class {own_module}.Own, .* --modules \[{own_module}\]"):
        load_world_model(naming)
    assert not marker.exists()


def test_modules_that_the_user_names_are_imported(naming, own_module, marker, tmp_path):
    run(
        [
            "evaluate",
            f"--ckpt_path={naming}",
            f"--output={tmp_path / 'result'}",
            f"--modules=[{own_module}]",
            "--agent.planner=GradientPlanner",
            "--agent.planner.horizon=2",
            "--agent.planner.iterations=1",
            "--agent.replan_every=null",
            "--tasks.env_id=DoorWall-v0",
            "--tasks.count=2",
            "--diagnostic_tasks=0",
        ]
    )
    assert marker.exists()
    assert (tmp_path / "result" / "result.json").exists()


def test_checkpoint_does_not_choose_what_class_trained_it(base_run, changed, own_module, marker):
    arguments = torch.load(base_run / "last.ckpt", weights_only=True)["hyper_parameters"]
    with pytest.raises(ValueError, match="whose module is not imported"):
        load_world_model(changed(hyper_parameters=arguments | {"_class_path": f"{own_module}.Own"}))
    assert not marker.exists()


def test_function_that_a_checkpoint_names_to_make_its_model_is_not_looked_at(base_run, changed, own_module, marker):
    arguments = torch.load(base_run / "last.ckpt", weights_only=True)["hyper_parameters"]
    model = load_world_model(changed(hyper_parameters=arguments | {"_instantiator": f"{own_module}.Own"}))
    assert not marker.exists()
    for name, weight in load_world_model(str(base_run / "last.ckpt")).state_dict().items():
        torch.testing.assert_close(model.state_dict()[name], weight, rtol=0, atol=0)
