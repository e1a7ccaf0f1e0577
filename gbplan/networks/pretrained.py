"""Models shipped with the package: weights as safetensors, and a JSON file with their description and provenance."""

from pathlib import Path

from safetensors.torch import load_file

from gbplan.networks.build import build_world_model
from gbplan.networks.world_model import WorldModel
from gbplan.untrusted import read_json

FOLDER = Path(__file__).parents[1] / "pretrained"


def pretrained_names() -> list[str]:
    """Names that ``load_pretrained`` knows."""
    return sorted(path.relative_to(FOLDER).with_suffix("").as_posix() for path in FOLDER.rglob("*.safetensors"))


def load_pretrained(name: str) -> WorldModel:
    """Load a world model that comes with the package, on the CPU and in eval mode.

    Args:
        name: environment and method, such as ``door-wall/online-adversarial``.

    Raises:
        ValueError: there is no model of this name; the message lists the names.
    """
    known = pretrained_names()
    if name not in known:
        raise ValueError(f"there is no pretrained model {name!r}; there are {', '.join(known)}")
    model = build_world_model(read_json(FOLDER / f"{name}.json")["world_model"])
    model.load_state_dict(load_file(FOLDER / f"{name}.safetensors"))
    return model.eval()
