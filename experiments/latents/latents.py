"""What each regulariser's latent is like to plan in: encoder, base model and evaluation, and a page of it.

For each row of ``latents.yaml`` an encoder is trained, a base model in its frozen latents, and that is planned through
on validation tasks. Then, on frames of the data's validation episodes: how well a linear probe, fitted to training
frames, tells x and y; and how the distance of two raw latents, which is what planning compares, goes with the true one,
for pairs nearer than a unit of the world and for the others. What is done already is not done again.

    python experiments/latents/latents.py  # after gbplan collect --config configs/door_wall_pixels/collect.yaml
    python experiments/latents/latents.py --rows SIGReg  # only these; the page has all rows there are
"""

import argparse
import json
import shlex
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from scipy.stats import spearmanr
from torch import Tensor

from gbplan.data import TrajectoryDataModule
from gbplan.evaluation import load_world_model
from gbplan.evaluation.provenance import provenance
from gbplan.networks import WorldModel

HERE = Path(__file__).parent
NEAR = 1.0  # units of the world, whose walls are 4 apart
PAIRED = 1500  # frames, whose pairs are all compared
FRAMES = 6000  # that a probe is fitted to


def rows_of(settings: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Regularisers by the names of their rows."""
    alone: dict[str, dict[str, Any]] = settings["regularizers"]
    sums = {
        f"{name}, straightening": {
            "class_path": "RegularizerSum",
            "init_args": {"terms": [regularizer, settings["straightening"]]},
        }
        for name, regularizer in alone.items()
    }
    return alone | sums


def run(command: str, arguments: str, *words: object) -> None:
    """Run a command of gbplan, unless what it makes is there."""
    subprocess.run(["gbplan", command, *shlex.split(arguments), *map(str, words), "--keep", "--overwrite"], check=True)


def frames(data: TrajectoryDataModule) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Frames of training and of validation episodes, all over them, the same for all rows."""
    keys, parts = ["pixels", "achieved_goal"], data.training_frames(["pixels", "achieved_goal"])
    whole = [{key: batch[key][::8] for key in keys} for batch in parts]
    training = {key: torch.cat([part[key] for part in whole])[:FRAMES] for key in keys}
    windows = [batch["observations"] for batch in data.val_dataloader()]
    firsts = {key: torch.cat([window[key][:, 0] for window in windows]) for key in keys}
    chosen = torch.randperm(len(firsts["pixels"]), generator=torch.Generator().manual_seed(0))[:PAIRED]
    return training, {key: values[chosen] for key, values in firsts.items()}


@torch.no_grad()
def encoded(model: WorldModel, seen: dict[str, Tensor]) -> np.ndarray:
    """Raw latents of frames, ``(N, D)``."""
    parts = [model.encoder.encode({"pixels": part}) for part in seen["pixels"].split(256)]
    return torch.cat(parts).double().numpy()


def measured(model: WorldModel, data: TrajectoryDataModule) -> dict[str, Any]:
    """How linear positions are in a model's latents, and how far latents are apart."""
    training, other = frames(data)
    fitted, latents = encoded(model, training), encoded(model, other)
    where, true = training["achieved_goal"].double().numpy(), other["achieved_goal"].double().numpy()
    with_one = [np.column_stack([each, np.ones(len(each))]) for each in (fitted, latents)]
    told = with_one[1] @ np.linalg.lstsq(with_one[0], where, rcond=None)[0]
    r2 = 1 - ((true - told) ** 2).mean(0) / true.var(0)
    first, second = np.triu_indices(len(true), 1)
    apart = np.linalg.norm(true[first] - true[second], axis=1)
    in_latents = np.linalg.norm(latents[first] - latents[second], axis=1)
    near = apart < NEAR
    return {
        "r2": r2.tolist(),
        "near": float(spearmanr(apart[near], in_latents[near]).statistic),
        "far": float(spearmanr(apart[~near], in_latents[~near]).statistic),
    }


def row(name: str, regularizer: dict[str, Any], settings: dict[str, Any], runs: Path) -> None:
    """Train, evaluate and measure one row."""
    folder = runs / name.replace(", ", "-").replace(" ", "_")
    folder.mkdir(parents=True, exist_ok=True)
    overlay = folder / "regularizer.yaml"
    overlay.write_text(yaml.safe_dump({"model": {"init_args": {"regularizer": regularizer}}}))
    quiet = "--trainer.enable_progress_bar false --trainer.default_root_dir"
    run("fit", settings["encoder"], "--config", overlay, *quiet.split(), folder / "encoder")
    encoder_from = ("--model.init_args.encoder_from", folder / "encoder/last.ckpt")
    run("fit", settings["base"], *quiet.split(), folder / "base", *encoder_from)
    best = folder / "base/best.ckpt"
    run("evaluate", settings["evaluate"], "--ckpt_path", best, "--output", folder / "evaluate")
    (result,) = json.loads((folder / "evaluate/result.json").read_text())["tasks"].values()
    data = TrajectoryDataModule(["door-wall-pixels/expert-v0"], "runs/datasets", keys=["pixels", "achieved_goal"])
    data.setup()
    found = {"success": result["success"], "count": result["count"], **measured(load_world_model(str(best)), data)}
    found["made"] = {key: provenance()[key] for key in ("commit", "processor", "torch", "python")}
    (folder / "measured.json").write_text(json.dumps(found, indent=1))


def page(names: list[str], settings: dict[str, Any], runs: Path) -> str:
    """The page of the rows that are measured."""
    files = {name: runs / name.replace(", ", "-").replace(" ", "_") / "measured.json" for name in names}
    found = {name: json.loads(file.read_text()) for name, file in files.items() if file.is_file()}
    lines = [
        "| encoder trained with | R2 of x, y | Spearman, near | Spearman, far | success, % |",
        "|---|---:|---:|---:|---:|",
    ]
    for name, each in found.items():
        rate, low, high = (100 * each["success"][key] for key in ("rate", "low", "high"))
        lines.append(
            f"| {name} | {each['r2'][0]:.2f}, {each['r2'][1]:.2f} | {each['near']:.2f} | {each['far']:.2f} | "
            f"{rate:.1f} [{low:.1f}, {high:.1f}] / {each['count']} |"
        )
    made = [each["made"] for each in found.values()]
    commits = ", ".join(sorted({str(each["commit"]) for each in made}))
    return f"""# Latents and what keeps them apart

Command: `python experiments/latents/latents.py`, commit {commits}, {made[0]["processor"]}, torch {made[0]["torch"]},
Python {made[0]["python"]}.

DoorWallPixels-v0, 8 numbers a latent, one training seed, settings in `latents.yaml`. R2 of a linear probe of the
position, and Spearman's correlation of the distance of two latents with that of the positions, nearer than {NEAR:g} and
not, on {PAIRED} frames of validation episodes; success of the base model, gradient MPC, on so many validation detour
tasks, with 95 % interval.

""" + "\n".join([*lines, ""])


def main() -> None:
    """Make the rows that are missing, and the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", nargs="+", help="only these")
    parser.add_argument("--runs", type=Path, default=Path("runs/latents"))
    parser.add_argument("--output", type=Path, default=HERE / "latents.md", help="the page")
    arguments = parser.parse_args()
    settings = yaml.safe_load((HERE / "latents.yaml").read_text())
    rows = rows_of(settings)
    if unknown := {*(arguments.rows or [])} - rows.keys():
        parser.error(f"there are no rows {', '.join(sorted(unknown))}, but {', '.join(rows)}")
    for name in arguments.rows or rows:
        row(name, rows[name], settings, arguments.runs)
    arguments.output.write_text(page(list(rows), settings, arguments.runs))


if __name__ == "__main__":
    main()
