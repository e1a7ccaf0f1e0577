"""Requirements for resuming a run from a checkpoint."""

from typing import Any

from jsonargparse import Namespace
from lightning.pytorch import Trainer

from gbplan.describe import describe, differences
from gbplan.modules.checkpoints import open_checkpoint, weights_in

# Arguments that may change when a run is resumed: places of files, and settings that only show.
_UNDECIDING = {"init_from", "encoder_from", "validation_horizons", "root", "num_workers", "may_differ", "cache_dir"}


def require_same_run(path: str, config: Namespace, fitting: bool) -> None:
    """Refuse a checkpoint of another model and, if ``fitting``, of a training with another configuration.

    Raises:
        ValueError: the message names what differs, and what to do.
    """
    file = open_checkpoint(path)
    weights_in(file)
    checkpoint = file.contents
    trained = checkpoint.get("hyper_parameters", {}).get("_class_path", "")
    asked = config["model"]["class_path"]
    if trained and trained.rsplit(".", 1)[-1] != asked.rsplit(".", 1)[-1]:
        raise ValueError(
            f"{path} was trained by {trained}, not by {asked}; go on with the config.yaml of its own run, or start "
            f"a new one from its weights with --model.init_from {path}"
        )
    if fitting:
        _require_state(path, checkpoint)
    if trained and fitting:
        changed = [
            *differences(_deciding(checkpoint["hyper_parameters"]), _deciding(config["model"]["init_args"]), "model"),
            *differences(_deciding(checkpoint["datamodule_hyper_parameters"]), _deciding(config["data"]), "data"),
        ]
        if "trainer_arguments" in checkpoint:
            changed += differences(checkpoint["trainer_arguments"], training_arguments(config), "trainer")
        if changed:
            raise ValueError(
                f"the run of {path} was begun with another configuration ({'; '.join(changed)}), so it cannot be "
                f"resumed exactly; restore the old values, or begin a new run with --model.init_from {path}"
            )


def _require_state(path: str, checkpoint: dict[str, Any]) -> None:
    """Raise a ValueError if a checkpoint lacks the state to resume a training."""
    advice = f"begin a new run from its weights with --model.init_from {path}"
    if not {"loops", "optimizer_states"} <= checkpoint.keys():
        raise ValueError(f"{path} holds weights only, and a training cannot be resumed from those; {advice}")
    if "TrajectoryDataModule" not in checkpoint:
        raise ValueError(f"{path} does not name the replay buffer that its run had; {advice}")
    epoch, loops = checkpoint.get("epoch"), checkpoint["loops"]
    counted = loops.get("fit_loop", {}).get("epoch_progress", {}).get("current", {}).get("completed")
    if epoch is None or epoch != counted:
        raise ValueError(f"{path} claims epoch {epoch}, but its training counted {counted}; {advice}")


def surroundings(trainer: Trainer) -> dict[str, Any]:
    """Return the surroundings on which a training's result depends: processes, devices, the data's environment."""
    spec = getattr(getattr(trainer, "datamodule", None), "env_spec", None)
    return {
        "processes": trainer.world_size,
        "strategy": type(trainer.strategy).__name__,
        "device": trainer.strategy.root_device.type,
        "environment": None if spec is None else {"id": spec.id, "kwargs": describe(spec.kwargs)},
    }


def require_same_surroundings(checkpoint: dict[str, Any], trainer: Trainer) -> None:
    """Refuse to resume with other devices, or with data of another environment.

    Raises:
        ValueError: the message names what differs.
    """
    here = surroundings(trainer)
    changed = differences(checkpoint.get("surroundings", here), here)
    if changed:
        raise ValueError(
            f"the run was begun elsewhere ({'; '.join(changed)}), so it cannot be resumed exactly; go on as it was "
            "begun, or begin a new run with --model.init_from"
        )


def _deciding(arguments: dict[str, Any] | Namespace) -> dict[str, Any]:
    """Return the arguments of a model or its data that affect the result of a run."""
    named = arguments.as_dict() if isinstance(arguments, Namespace) else arguments
    return {
        name: describe(value) for name, value in named.items() if not name.startswith("_") and name not in _UNDECIDING
    }


def training_arguments(config: Namespace) -> dict[str, Any]:
    """Return the trainer's arguments that affect the weights, except devices."""
    names = (
        "accumulate_grad_batches",
        "gradient_clip_val",
        "gradient_clip_algorithm",
        "precision",
        "limit_train_batches",
        "overfit_batches",
        "reload_dataloaders_every_n_epochs",
    )
    return {name: describe(config["trainer"][name]) for name in names}
