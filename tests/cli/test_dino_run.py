"""From pictures to a plan through a frozen DINO, by the commands of docs/pictures.md, in small."""

from pathlib import Path

import numpy as np
import pytest
import torch
from dino_folders import write_dino

from gbplan.cli import main, run
from gbplan.evaluation import load_world_model

pytestmark = pytest.mark.end_to_end

OVERLAY = "configs/door_wall_pixels"
SMALL = [
    "--model.world_model.encoder.grid=2",
    "--model.world_model.predictor.latent_shape=[4,32]",
    "--model.world_model.predictor.width=16",
    "--model.world_model.predictor.depth=1",
    "--model.world_model.probe.latent_dim=[4,32]",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Folder of data, of the encoder, and of runs."""
    folder = tmp_path_factory.mktemp("dino")
    run(["collect", f"--config={OVERLAY}/collect.yaml", f"--root={folder / 'data'}", "--episodes=8"])
    write_dino(folder / "model")
    fit(folder)
    return folder


def fit(folder, name="run"):
    run(
        [
            "fit",
            f"--config={OVERLAY}/base.yaml",
            f"--config={OVERLAY}/dino.yaml",
            *SMALL,
            f"--model.world_model.encoder.model={folder / 'model'}",
            f"--trainer.default_root_dir={folder / name}",
            "--trainer.max_epochs=1",
            "--trainer.check_val_every_n_epoch=1",
            "--checkpoint.every_n_epochs=1",
            "--trainer.enable_progress_bar=false",
            f"--data.root={folder / 'data'}",
            "--data.batch_size=16",
        ]
    )


def caches(folder):
    return sorted((folder / "data").rglob("latents.npy"))


def evaluate(folder, checkpoint="run/last.ckpt"):
    return [
        "evaluate",
        f"--config={OVERLAY}/evaluate.yaml",
        "--agent=configs/agents/gradient_blocks_mpc.yaml",
        "--agent.planner.iterations=1",
        "--agent.planner.num_samples=3",
        "--agent.planner.restarts=1",
        f"--ckpt_path={folder / checkpoint}",
        f"--output={folder / 'result'}",
        "--tasks.count=2",
        "--overwrite",
    ]


def test_tokens_are_cached_in_half_precision_and_planned_in(folder, capsys):
    (cache,) = caches(folder)
    tokens = np.load(cache)
    assert (tokens.shape[1:], tokens.dtype) == ((4, 32), np.float16)
    assert not [name for name in torch.load(folder / "run" / "last.ckpt")["state_dict"] if "backbone" in name]
    run(evaluate(folder))
    assert (folder / "result" / "result.json").exists()
    assert "success" in capsys.readouterr().out
    model = load_world_model(str(folder / "run" / "last.ckpt"))
    picture = torch.zeros(1, 64, 64, 3, dtype=torch.uint8)
    assert model.encode({"pixels": picture}).shape == (1, 4, 32)


def test_a_checkpoint_whose_encoder_has_gone_says_what_is_missing(folder, capsys):
    (folder / "model").rename(folder / "moved")
    try:
        with pytest.raises(SystemExit):
            main(evaluate(folder))
    finally:
        (folder / "moved").rename(folder / "model")
    (line,) = capsys.readouterr().err.splitlines()
    assert f"there is no folder {folder / 'model'}, which DinoEncoder should read its weights from" in line


def test_other_weights_in_the_folder_are_encoded_again_and_refused_by_the_checkpoint(folder, capsys):
    before, kept = caches(folder), folder / "kept"
    (folder / "model").rename(kept)
    write_dino(folder / "model", seed=1)
    try:
        with pytest.raises(SystemExit):
            main(evaluate(folder))
        assert "has other weights, or another normalisation of pictures, than this model" in capsys.readouterr().err
        fit(folder, "other")
    finally:
        (folder / "model").rename(folder / "second")
        kept.rename(folder / "model")
    assert len(caches(folder)) == len(before) + 1


def test_the_same_weights_elsewhere_use_the_cache_again(folder):
    before = [(path, path.stat().st_mtime_ns) for path in caches(folder)]
    Path(folder / "model").rename(folder / "moved")
    (folder / "model").symlink_to(folder / "moved")
    fit(folder, "again")
    assert [(path, path.stat().st_mtime_ns) for path in caches(folder)] == before
