"""Writing checkpoints atomically, and reading them safely."""

import hashlib
import io
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.plugins import TorchCheckpointIO
from torch import Tensor, nn

from gbplan.files import replacing
from gbplan.networks import Encoder, ProprioceptiveEncoder, WorldModel


class SafeCheckpointIO(TorchCheckpointIO):
    """Writes a checkpoint beside its target, flushes it to the disk and renames it: the old file is whole until then.

    Lightning's own writer writes into the system's folder for temporary files; if that is on another file system, it
    then copies over the old checkpoint, and a full disk or a killed process leaves neither. ``gbplan fit`` uses this
    class; in Python, pass it to the trainer: ``Trainer(plugins=[SafeCheckpointIO()])``.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Write a checkpoint; on a remote file system, as Lightning does.

        Args:
            checkpoint: the contents.
            path: the file.
            storage_options: Lightning's options for a remote file system; None: none.

        Raises:
            WriteError: it cannot be written; an earlier one under this name is unchanged.
        """
        if storage_options is not None or "://" in str(path):
            super().save_checkpoint(checkpoint, path, storage_options)
            return
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        with replacing(Path(path), "wb") as file:
            torch.save(checkpoint, file)


@dataclass(frozen=True)
class CheckpointFile:
    """A checkpoint that was read.

    Attributes:
        path: the file.
        sha256: hash of the file.
        contents: its contents, tensors on the CPU.
    """

    path: Path
    sha256: str
    contents: dict[str, Any]


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    """Read a Lightning checkpoint without running code from it; see ``open_checkpoint``.

    Args:
        path: the ``.ckpt`` file.

    Returns:
        The checkpoint's contents, tensors on the CPU.
    """
    return open_checkpoint(path).contents


def open_checkpoint(path: str | Path) -> CheckpointFile:
    """Read a Lightning checkpoint without running code from it.

    Args:
        path: the ``.ckpt`` file.

    Returns:
        The checkpoint, tensors on the CPU.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is truncated, not a Lightning checkpoint, or contains objects other than plain data.
    """
    path = Path(path)
    if path.is_dir():
        raise FileNotFoundError(f"{path} is a folder; name the checkpoint in it, such as {path / 'best.ckpt'}")
    if not path.is_file():
        last = path.with_name("last.ckpt")  # a short training has no other: best.ckpt is saved every few epochs
        advice = f"use {last}, which there is" if last.is_file() else "train one with `gbplan fit`"
        raise FileNotFoundError(f"there is no checkpoint at {path}; {advice}, or correct the path")
    data = path.read_bytes()
    try:
        checkpoint = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception as error:  # the error's class depends on where the file is broken
        reason = next(iter(str(error).splitlines()), "the file ends early")
        if "Weights only" in reason:  # torch's advice is to trust the file
            reason = "it contains something else"
        raise ValueError(
            f"{path} is not a complete checkpoint of plain data ({reason}); it is another kind of file, or was cut off "
            "while being written or copied: use another, such as last.ckpt or best.ckpt of a run"
        ) from None
    if not isinstance(checkpoint, dict) or "state_dict" not in checkpoint:
        raise ValueError(
            f"{path} is not a Lightning checkpoint (it has no 'state_dict'); pass a file that `gbplan fit` wrote"
        )
    for name in ("state_dict", "hyper_parameters", "datamodule_hyper_parameters"):
        if not isinstance(checkpoint.get(name, {}), dict):
            kind = type(checkpoint[name]).__name__
            raise ValueError(
                f"{path} is not a complete checkpoint: its {name} must be a mapping, got a {kind}; use another"
            )
    return CheckpointFile(path, hashlib.sha256(data).hexdigest(), checkpoint)


def require_imported_classes(arguments: Any, path: str | Path) -> None:
    """Check that a checkpoint's objects can be rebuilt without importing a module that it names.

    An import runs code, and the checkpoint's author chooses the names.

    Args:
        arguments: plain data with the ``class_path`` of objects.
        path: the checkpoint, for the message.

    Raises:
        ValueError: a class is in a module that is neither gbplan's nor imported already.
    """
    if isinstance(arguments, dict):
        for key, value in arguments.items():
            if key in ("class_path", "_class_path") and isinstance(value, str):
                module = value.rpartition(".")[0]
                if module and not module.startswith("gbplan.") and module not in sys.modules:
                    raise ValueError(
                        f"{path} names the class {value}, whose module is not imported, and a checkpoint must not "
                        f"choose what is run; if you trust {module}, import it first: --modules [{module}]"
                    )
            else:
                require_imported_classes(value, path)
    elif isinstance(arguments, list | tuple):
        for value in arguments:
            require_imported_classes(value, path)


def world_model_weights(path: str | Path) -> dict[str, Tensor]:
    """Return the weights of the world model in a checkpoint, for any module class that trained it.

    Args:
        path: the ``.ckpt`` file.

    Returns:
        State dict for ``WorldModel.load_state_dict``.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is broken, contains no world model, or its weights are not finite.
    """
    return weights_in(open_checkpoint(path))


def weights_in(checkpoint: CheckpointFile) -> dict[str, Tensor]:
    """Return the weights of the world model in a checkpoint; see ``world_model_weights``.

    Raises:
        ValueError: it contains no world model, or its weights are not finite.
    """
    prefix, path = "world_model.", checkpoint.path
    state = checkpoint.contents["state_dict"]
    weights = {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
    if not weights:
        raise ValueError(
            f"{path} holds no world model (no weights named '{prefix}*', but {sorted(state)[:3]}...); "
            "it was trained by another class, pass a checkpoint of a WorldModelModule"
        )
    no_weight = next((name for name, value in weights.items() if not isinstance(value, Tensor)), None)
    if no_weight is not None:
        kind = type(weights[no_weight]).__name__
        raise ValueError(
            f"{path} is not a complete checkpoint: its weight {no_weight} is a {kind}, not a tensor; use another"
        )
    broken = sorted(name for name, value in weights.items() if not torch.isfinite(value).all())
    if broken:
        raise ValueError(
            f"{path} has weights that are NaN or infinite ({', '.join(broken)}); the training diverged, "
            "take an earlier checkpoint or train with a lower learning rate"
        )
    for name in ("latent_std", "action_std"):
        std = weights.get(f"normalizer.{name}")
        if std is None or not (std > 0).all():
            raise ValueError(
                f"{path} has {'no' if std is None else 'a zero in'} normalizer.{name}, so its model has no scale to "
                "divide by; it is damaged, or of another version: use another checkpoint"
            )
    return weights


def load_world_model_weights(world_model: WorldModel, path: str | Path) -> None:
    """Copy a checkpoint's world-model weights and normaliser into ``world_model``.

    A decoder, which changes nothing that a model predicts, may be absent from either.

    Args:
        world_model: the model to fill; it must have the sizes of the one that was saved.
        path: the ``.ckpt`` file.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is broken, or its model has other sizes or layers, which the message names.
    """
    weights, own = world_model_weights(path), world_model.state_dict()
    decoders = [{name for name in each if name.startswith("decoder.")} for each in (weights, own)]
    if not all(decoders):
        weights = {name: value for name, value in weights.items() if name not in decoders[0]}
        weights |= {name: own[name] for name in decoders[1]}
    _load(world_model, weights, f"the world model in {path}")


def load_encoder_weights(encoder: Encoder, path: str | Path) -> None:
    """Copy the weights of a checkpoint's encoder into ``encoder``, or into the encoder inside a proprioceptive one.

    Args:
        encoder: the encoder to fill; it must have the sizes of the one that was saved.
        path: the ``.ckpt`` file.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is broken, or its encoder has other sizes or layers, which the message names.
    """
    prefix = "encoder."
    saved = world_model_weights(path)
    weights = {name.removeprefix(prefix): value for name, value in saved.items() if name.startswith(prefix)}
    if isinstance(encoder, ProprioceptiveEncoder) and not weights.keys() & encoder.state_dict().keys():
        encoder = encoder.encoder
    _load(encoder, weights, f"the encoder in {path}")


def weight_differences(module: nn.Module, weights: dict[str, Tensor]) -> list[str]:
    """List the weights in which a file differs from a module: those missing, of another shape, or unknown."""
    expected, got = ({name: _form(value) for name, value in each.items()} for each in (module.state_dict(), weights))
    found = []
    for name in sorted(expected.keys() | got.keys()):
        if name not in got:
            found.append(f"{name}: expected {expected[name]}, but it is missing")
        elif name not in expected:
            found.append(f"{name}: expected none, got {got[name]}")
        elif expected[name] != got[name]:
            found.append(f"{name}: expected {expected[name]}, got {got[name]}")
    return found


def _form(value: Any) -> str:
    """Return a tensor's shape, or the type of what ``nn.Module.get_extra_state`` returned."""
    return str(tuple(value.shape)) if isinstance(value, Tensor) else type(value).__name__


def _load(module: nn.Module, weights: dict[str, Tensor], what: str) -> None:
    if different := weight_differences(module, weights):
        raise ValueError(
            f"{what} does not fit this one ({'; '.join(different[:3])}); give the new model the same encoder and "
            "predictor sizes"
        )
    module.load_state_dict(weights)
