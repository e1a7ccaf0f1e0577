"""A pretrained vision transformer as encoder of pictures: DINOv2 and DINOv3 from the library transformers."""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gbplan.networks.encoder import Encoder
from gbplan.networks.pictures import picture_rows
from gbplan.untrusted import Number, read_json, require_form

Features = Literal["patches", "cls", "mean"]

CLASSES = {"dinov2": "Dinov2", "dinov2_with_registers": "Dinov2WithRegisters", "dinov3_vit": "DINOv3ViT"}
"""Prefixes of transformers' class names, by the ``model_type`` in a folder's config.json."""

IMAGENET = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}

# Entries of config.json that choose code to load, instead of describing the architecture.
_CHOOSES_CODE = {"quantization_config", "attn_implementation", "_attn_implementation", "auto_map"}

# Entries that decide the output, besides the weights. Listed by name, because libraries add entries that do not.
_ARCHITECTURE = (
    "model_type",
    "hidden_act",
    "hidden_size",
    "image_size",
    "layer_norm_eps",
    "num_attention_heads",
    "num_hidden_layers",
    "num_register_tokens",
    "patch_size",
    "rope_theta",
    "use_gated_mlp",
    "use_swiglu_ffn",
)
_WEIGHTS = "model*.safetensors"  # one file, or several for a large model

CPU_PICTURES = 16
"""Pictures that a CPU encodes at once; with more, activations no longer fit its caches."""


class DinoEncoder(Encoder):
    """A frozen DINO that encodes pictures into patch tokens or one vector; a goal is a picture, too.

    Pictures are uint8 with channels last, of any size. They are resized to a square of ``grid`` x ``grid`` patches with
    antialiasing, and normalised by the model's ``preprocessor_config.json``, or else by ImageNet's mean and deviation.
    The encoder reads DINOv2, with or without registers, and the vision transformers of DINOv3. Patch tokens exclude the
    class token and the registers.

    Weights are safetensors in a folder or in the hub's cache on this machine; nothing is ever downloaded. Checkpoints
    contain a hash of the weights instead of the weights: a model loads only with the weights it was trained with.

    Sources: Oquab et al., DINOv2, 2023; Darcet et al., Vision transformers need registers, 2024; Simeoni et al.,
    DINOv3, 2025. 14 x 14 patch tokens of ViT-S/14 are what DINO-WM plans in (Zhou et al., arXiv 2411.04983).

    Attributes:
        folder: where the weights were found.
        image_size: height and width that pictures are resized to.
    """

    mean: Tensor
    std: Tensor
    weights_hash: Tensor
    projection: Tensor | None

    def __init__(
        self,
        model: str,
        grid: int = 14,
        features: Features = "patches",
        project_to: int | None = None,
        pixels_key: str = "pixels",
        goal_key: str = "desired_pixels",
        frozen: bool = True,
    ) -> None:
        """Load the model.

        Args:
            model: a folder with ``config.json`` and ``model.safetensors``, or the hub id of a model in this machine's
                cache (``hf download facebook/dinov2-small``).
            grid: patches along an edge of the resized picture; 14 patches of DINOv2's 14 pixels are 196 pixels.
            features: ``patches`` gives latents ``(grid * grid, C)``; ``cls`` (the class token) and ``mean`` (the mean
                of the patches) give ``(C,)``.
            project_to: number of dimensions to project each token's C to, by a fixed random matrix that approximately
                preserves distances, for small caches and predictors; null: no projection.
            pixels_key: entry of the observation that is the picture.
            goal_key: entry of the observation that is the picture of the goal.
            frozen: must be true.

        Raises:
            ImportError: transformers is not installed.
            FileNotFoundError: there is neither such a folder nor such a model in the hub's cache.
            ValueError: an argument is out of its range, or the folder lacks something; the message names it.
        """
        super().__init__(frozen)
        if not frozen:
            raise ValueError("DinoEncoder is not trained here, so frozen must be true; to train one, use ViTEncoder")
        if grid < 1 or (project_to is not None and project_to < 1):
            raise ValueError(f"grid and project_to must be at least 1, got {grid} and {project_to}")
        if features not in get_args(Features):
            raise ValueError(f"features must be one of {list(get_args(Features))}, got {features!r}")
        # A Path, because encoder_hash includes only its class: moving the folder keeps cached latents valid.
        self.folder = _folder(model)
        self.backbone = _load(self.folder)
        config: Any = self.backbone.config
        self.grid = grid
        self.image_size: int = grid * config.patch_size
        self.features: Features = features
        width: int = config.hidden_size if project_to is None else project_to
        self.latent_shape = (grid * grid, width) if features == "patches" else (width,)
        self.observation_keys = (pixels_key,)
        self.goal_keys = (goal_key,)
        self.project_to = project_to
        mean, std = _normalisation(self.folder)
        projection = None
        if project_to is not None:
            drawn = torch.randn(config.hidden_size, project_to, generator=torch.Generator().manual_seed(0))
            projection = drawn / project_to**0.5  # keeps the expected square of a distance
        self.register_buffer("mean", torch.tensor(mean).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(3, 1, 1), persistent=False)
        self.register_buffer("projection", projection, persistent=False)
        self.register_buffer("weights_hash", _hash(self.folder, self.mean, self.std, self.projection))
        self.register_state_dict_post_hook(_leave_weights_out)
        self.register_load_state_dict_pre_hook(_keep_own_weights)
        self.requires_grad_(False).eval()

    def encode(self, observations: Mapping[str, Tensor]) -> Tensor:
        """Encode pictures ``(..., H, W, 3)`` into latents.

        Raises:
            ValueError: they are not uint8, or not of three channels, which come last.
        """
        return self._encode(self.observation_keys[0], observations)

    def encode_goal(self, observations: Mapping[str, Tensor]) -> Tensor:
        """Encode the pictures of the goals; see ``encode``."""
        return self._encode(self.goal_keys[0], observations)

    def goal_features(self, latent: Tensor) -> Tensor:
        """Return the whole latent: a goal is a picture."""
        return latent

    def preprocess(self, pictures: Tensor) -> Tensor:
        """Resize and normalise pictures ``(N, 3, H, W)`` of numbers in 0..255, to ``(N, 3, S, S)``."""
        size = (self.image_size, self.image_size)
        numbers = pictures.to(self.mean.dtype)
        if tuple(numbers.shape[-2:]) != size:
            numbers = F.interpolate(numbers, size, mode="bicubic", align_corners=False, antialias=True).clamp(0, 255)
        return (numbers / 255 - self.mean) / self.std

    def _encode(self, key: str, observations: Mapping[str, Tensor]) -> Tensor:
        rows = picture_rows(key, observations[key], channels=3)
        parts = rows.split(CPU_PICTURES if rows.is_cpu else max(1, len(rows)))
        latents = torch.cat([self._latents(part) for part in parts])
        return latents.reshape(*observations[key].shape[:-3], *self.latent_shape)

    def _latents(self, rows: Tensor) -> Tensor:
        tokens: Tensor = self.backbone(pixel_values=self.preprocess(rows)).last_hidden_state
        # Order of tokens: class, registers, patches.
        latents = tokens[:, 0] if self.features == "cls" else tokens[:, -self.grid * self.grid :]
        if self.features == "mean":
            latents = latents.mean(1)
        return latents if self.projection is None else latents @ self.projection


def _folder(model: str) -> Path:
    folder = Path(model).expanduser()
    if folder.is_dir():
        return folder
    advice = "give the folder of a DINOv2 or DINOv3 model, or the hub id of one on this machine"
    if re.fullmatch(r"[\w.-]+/[\w.-]+", model):
        hub = _imported("huggingface_hub")
        try:
            return Path(hub.snapshot_download(model, local_files_only=True))
        except Exception:  # the error's class depends on what the cache lacks
            advice += f"; to fetch it, once: hf download {model}"
    raise FileNotFoundError(f"there is no folder {model}, which DinoEncoder should read its weights from; {advice}")


def _imported(module: str) -> Any:
    try:
        return import_module(module)
    except ImportError as error:
        missing = f"{module} is not installed" if error.name == module else f"{module} cannot be imported ({error})"
        raise ImportError(f"DinoEncoder needs transformers; {missing}: run pip install 'gbplan[vision]'") from None


def _load(folder: Path) -> nn.Module:
    transformers = _imported("transformers")
    settings = _json(folder / "config.json", {"model_type": str})
    kind = settings["model_type"]
    if kind not in CLASSES:
        raise ValueError(
            f"{folder} holds a model of the architecture {kind!r}, DinoEncoder reads {', '.join(CLASSES)}; give it a "
            "folder of one of these"
        )
    if not [*folder.glob(_WEIGHTS)]:
        pickled = ", ".join(sorted(path.name for ending in ("bin", "pt", "pth") for path in folder.glob(f"*.{ending}")))
        why = f"only {pickled}, which could run code when read" if pickled else "no model.safetensors"
        raise ValueError(f"{folder} has {why}; DinoEncoder reads weights as safetensors: fetch or convert them")
    try:
        of_config, of_model = (getattr(transformers, CLASSES[kind] + part) for part in ("Config", "Model"))
    except AttributeError:
        raise ImportError(
            f"transformers {transformers.__version__} has no {CLASSES[kind]}Model; run pip install 'gbplan[vision]'"
        ) from None
    try:
        config = of_config.from_dict({key: settings[key] for key in settings.keys() - _CHOOSES_CODE})
        with _quiet(transformers.utils.logging):
            model, found = of_model.from_pretrained(
                folder,
                config=config,
                local_files_only=True,
                use_safetensors=True,
                attn_implementation="sdpa",
                dtype=torch.float32,
                output_loading_info=True,
            )
    except Exception as error:  # the error's class depends on where the files are damaged
        said = " ".join(str(error).split())[:200]
        raise ValueError(
            f"{folder} holds no model that transformers can load ({type(error).__name__}: {said}); its config.json and "
            "weights do not fit each other, or are damaged: fetch them again"
        ) from None
    _require_whole(folder, model, found["missing_keys"])
    for part in model.modules():
        if hasattr(part, "name_or_path"):
            part.name_or_path = ""  # does not affect the output, but would change encoder_hash
    return model


def _require_whole(folder: Path, model: Any, missing: set[str]) -> None:
    """Raise a ValueError unless all weights are there and finite, and the model reads RGB pictures."""
    absent = sorted(name for name in missing if "mask_token" not in name)  # mask_token is for training only
    if absent:
        raise ValueError(f"{folder} lacks weights of its model ({', '.join(absent[:3])}); fetch it again")
    broken = [name for name, value in model.named_parameters() if not torch.isfinite(value).all()]
    if broken:
        raise ValueError(f"{folder} has weights that are NaN or infinite ({', '.join(broken[:3])}); fetch it again")
    config = model.config
    if config.num_channels != 3 or not isinstance(config.patch_size, int):
        raise ValueError(
            f"DinoEncoder reads models of three colours and square patches, {folder} has {config.num_channels} and "
            f"{config.patch_size}; give it another folder"
        )


@contextmanager
def _quiet(logging: Any) -> Iterator[None]:
    """Silence the progress bar and table that transformers prints while loading; errors become one line instead."""
    level, bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity(logging.CRITICAL)
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bar:
            logging.enable_progress_bar()


def _normalisation(folder: Path) -> tuple[list[float], list[float]]:
    """Mean and standard deviation of each colour, on a scale of 0..1."""
    path = folder / "preprocessor_config.json"
    if not path.exists():
        return IMAGENET["image_mean"], IMAGENET["image_std"]
    said = _json(path, {"do_normalize?": bool, "image_mean?": [Number()], "image_std?": [Number(1e-6)]})
    if not said.get("do_normalize", True):
        return [0.0] * 3, [1.0] * 3
    mean, std = (said.get(name, usual) for name, usual in IMAGENET.items())
    if len(mean) != 3 or len(std) != 3:
        raise ValueError(f"{path} must give image_mean and image_std for three colours, got {mean} and {std}")
    return mean, std


def _json(path: Path, form: dict[str, Any]) -> dict[str, Any]:
    try:
        said: dict[str, Any] = read_json(path)
    except FileNotFoundError:
        raise ValueError(
            f"{path.parent} has no {path.name}, so it is no model of transformers; give DinoEncoder a folder with "
            "config.json and model.safetensors"
        ) from None
    require_form(said, form, str(path))
    return said


def _hash(folder: Path, *fixed: Tensor | None) -> Tensor:
    """Hash an architecture, its weights and other fixed tensors into bytes, ``(32,)``, as floats.

    Floats, because callbacks that average weights also average buffers, and would truncate integers.
    """
    settings = read_json(folder / "config.json")
    found = hashlib.sha256(json.dumps({key: settings.get(key) for key in _ARCHITECTURE}).encode())
    for path in sorted(folder.glob(_WEIGHTS)):
        with path.open("rb") as file:
            found.update(hashlib.file_digest(file, "sha256").digest())
    for tensor in fixed:
        found.update(b"" if tensor is None else tensor.numpy().tobytes())
    return torch.tensor([float(byte) for byte in found.digest()])


def _leave_weights_out(encoder: nn.Module, state: dict[str, Any], prefix: str, _: Any) -> None:
    for name in [name for name in state if name.startswith(f"{prefix}backbone.")]:
        del state[name]


def _keep_own_weights(encoder: nn.Module, state: dict[str, Any], prefix: str, *_: Any) -> None:
    assert isinstance(encoder, DinoEncoder)
    name, own = f"{prefix}weights_hash", encoder.weights_hash
    if name in state:
        if not torch.equal(state[name].to(own).round(), own.round()):
            raise ValueError(
                f"{encoder.folder} has other weights, or another normalisation of pictures, than this model was "
                "trained with; put the original files there"
            )
        state[name] = own  # averaging rounds it, and a rounded hash would not match the cache of latents
    state.update({f"{prefix}backbone.{name}": value for name, value in encoder.backbone.state_dict().items()})
