"""Requirements of a world model on the data that it is trained with."""

import torch

from gbplan.data import TrajectoryDataModule
from gbplan.modules.regularizers import Regularizer
from gbplan.networks import WorldModel
from gbplan.networks.eval_mode import eval_mode


def require_fitting_data(
    datamodule: TrajectoryDataModule, world_model: WorldModel, regularizer: Regularizer | None
) -> None:
    """Check that a data module's windows, observations, actions and goals are those that a model is sized for.

    Args:
        datamodule: has read its datasets.
        world_model: the model to train.
        regularizer: the regulariser of its encoder; None: none.

    Raises:
        ValueError: something differs; the message names it, and what to change.
    """
    _require_windows(datamodule, world_model)
    if regularizer is not None and datamodule.batch_size < 2:
        raise ValueError(
            f"{type(regularizer).__name__} needs a batch of at least 2 windows, got data.batch_size = "
            f"{datamodule.batch_size}; raise it"
        )
    _require_shapes(datamodule, world_model)


def _require_windows(datamodule: TrajectoryDataModule, model: WorldModel) -> None:
    for name in ("history", "action_block"):
        given, own = getattr(datamodule, name), getattr(model, name)
        if given not in (None, own):
            raise ValueError(
                f"data.{name} = {given}, but the world model's {name} is {own}; leave it out, so that the data "
                "follow the model"
            )
    absent = [key for key in model.encoder.observation_keys if key not in (datamodule.keys or [key])]
    if absent:
        raise ValueError(
            f"data.keys = {datamodule.keys} lack {', '.join(absent)}, which {type(model.encoder).__name__} reads; "
            "leave them out, so that the data follow the model"
        )


def _require_shapes(datamodule: TrajectoryDataModule, model: WorldModel) -> None:
    encoder, shapes = model.encoder, datamodule.observation_shapes
    absent = [key for key in (*encoder.observation_keys, *encoder.goal_keys) if key not in shapes]
    if absent:
        raise ValueError(
            f"{type(encoder).__name__} reads {' and '.join(map(repr, absent))}, but the data have "
            f"{', '.join(shapes)}; collect them in an environment that shows it, or use another encoder"
        )
    device = model.normalizer.latent_mean.device
    with torch.no_grad(), eval_mode(model):  # an encoder must not learn from a blank batch
        blank = {  # two frames of one window: encoders must accept any leading axes
            key: torch.zeros(1, 2, *shape, device=device, dtype=datamodule.observation_dtypes[key])
            for key, shape in shapes.items()
        }
        try:
            latent, goal = encoder.encode(blank), encoder.encode_goal(blank)
            features = encoder.goal_features(latent)
        except RuntimeError as error:  # torch's error, which has no names
            seen = ", ".join(f"{key!r} {tuple(blank[key].shape)} {blank[key].dtype}" for key in shapes)
            raise ValueError(
                f"{type(encoder).__name__} cannot encode the data ({str(error).splitlines()[0]}); it gets (B, T, "
                f"...) of {seen}"
            ) from None
    if tuple(latent.shape) != (1, 2, *model.latent_shape):
        raise ValueError(
            f"{type(encoder).__name__} has latent_shape {model.latent_shape}, but encodes frames (1, 2, ...) of "
            f"the data into {tuple(latent.shape)}; set its size to the data's, or name datasets of the environment "
            "it was made for"
        )
    if datamodule.action_dim != model.env_action_dim:
        raise ValueError(
            f"the data's actions have {datamodule.action_dim} numbers, so the predictor's action_dim must be "
            f"{datamodule.action_dim * model.action_block} (action_block = {model.action_block}), got "
            f"{model.action_dim}"
        )
    sizes = {"goals": (tuple(goal.shape[2:]), tuple(features.shape[2:]), "its encoder's goal_indices")}
    if model.probe is not None:
        sizes["achieved goals"] = (shapes["achieved_goal"], tuple(model.probe.goal_shape), "its probe's goal_dim")
    for name, (data, own, setting) in sizes.items():
        if data != own:
            raise ValueError(
                f"the data's {name} have shape {data}, the world model's {own}; correct {setting}, or name datasets "
                "of the environment it was made for"
            )
