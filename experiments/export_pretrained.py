"""Put trained models into the package, for `gbplan demo` and `gbplan.load_pretrained`: those of training seed 0.

Needs `make reproduce`; `make documents` calls it. How many held-out tasks a model solves is from its evaluation.

    python experiments/export_pretrained.py [runs]
"""

import hashlib
import json
import sys
from pathlib import Path

from safetensors.torch import save

from gbplan.evaluation import load_world_model
from gbplan.files import replacing
from gbplan.modules import read_checkpoint
from gbplan.networks.pretrained import FOLDER
from gbplan.report.result_files import RESULT_FILE, read_result

MODELS = {"door-wall/base": "base", "door-wall/online-adversarial": "online_adversarial"}
AGENT = "gradient-mpc"


def export(name: str, training: str, runs: Path) -> None:
    """Write weights, and what they are.

    Raises:
        ValueError: the evaluation that is there is not of this checkpoint.
    """
    checkpoint = runs / training / "best.ckpt"
    (evaluation,) = runs.glob(f"evaluate/*-{training}-{AGENT}/{RESULT_FILE}")
    result = read_result(evaluation)
    sha256 = hashlib.sha256(checkpoint.read_bytes()).hexdigest()
    if result["method"]["model_sha256"] != sha256:
        raise ValueError(f"{evaluation} is of another checkpoint than {checkpoint}; run `make reproduce`")
    state = load_world_model(str(checkpoint)).state_dict()
    weights = save({key: tensor.contiguous() for key, tensor in state.items()})
    detour = result["tasks"]["detour"]
    about = {
        "name": name,
        "environment": result["environment"],
        "world_model": read_checkpoint(checkpoint)["hyper_parameters"]["world_model"],
        "weights_sha256": hashlib.sha256(weights).hexdigest(),
        "training": {"name": training, "seed": 0, "checkpoint_sha256": sha256},
        "evaluation": {
            "agent": AGENT,
            "tasks": f"{detour['count']} held-out detour tasks",
            "success": detour["success"],
            "believed_success": detour["believed_success"],
        },
        "made_by": {key: result["provenance"][key] for key in ("gbplan", "commit", "torch", "python", "processor")},
    }
    (FOLDER / name).parent.mkdir(parents=True, exist_ok=True)
    with replacing(FOLDER / f"{name}.safetensors", "wb") as file:
        file.write(weights)
    with replacing(FOLDER / f"{name}.json") as file:
        json.dump(about, file, indent=1)
        file.write("\n")


if __name__ == "__main__":
    for model, of_training in MODELS.items():
        export(model, of_training, Path(*sys.argv[1:2] or ["runs"]))
