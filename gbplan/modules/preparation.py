"""Preparing a world model for its data, before the first step: cached latents, and units of latents and actions."""

from collections.abc import Iterator

import torch
from torch import Tensor

from gbplan.data import TrajectoryDataModule
from gbplan.data.latents import LATENTS
from gbplan.networks import WorldModel
from gbplan.networks.encoder import encoder_hash
from gbplan.networks.normalizer import Moments


def cache_latents(world_model: WorldModel, datamodule: TrajectoryDataModule) -> None:
    """Encode each frame once, instead of once an epoch, if the encoder is frozen and has weights."""
    encoder = world_model.encoder
    if not encoder.frozen or not any(True for _ in encoder.parameters()):
        return

    @torch.no_grad()
    def encode(observations: dict[str, Tensor]) -> Tensor:
        return encoder.encode(_on_its_device(world_model, observations)).cpu()

    shape = world_model.latent_shape
    # Tokens take a hundred times the space of a vector, and need no more digits than a picture's.
    dtype = torch.float16 if len(shape) > 1 else torch.float32
    datamodule.cache_latents(encode, encoder_hash(encoder), shape, dtype)


@torch.no_grad()
def fit_normalizer(world_model: WorldModel, datamodule: TrajectoryDataModule) -> None:
    """Fit the normaliser to the latents of the training frames and to the actions, and the probe to achieved goals.

    Latents of an encoder in training are not standardised: its first moments do not predict its last ones, and its
    regulariser controls their scale.

    Args:
        world_model: the model to fit; its encoder is the final one if it is frozen.
        datamodule: after ``cache_latents``.
    """
    normalizer, statistics = world_model.normalizer, datamodule.statistics
    device = normalizer.latent_mean.device
    if world_model.probe is not None:
        achieved = Moments()
        for batch in datamodule.training_frames(["achieved_goal"]):
            achieved.add(batch["achieved_goal"])
        world_model.probe.set_units(*achieved.compute())
    moments = statistics.action_mean.to(device), statistics.action_std.to(device)
    if world_model.encoder.frozen:
        normalizer.fit(_encoded_frames(world_model, datamodule), *moments)
    else:
        latent = normalizer.latent_mean
        normalizer.set(torch.zeros_like(latent), torch.ones_like(latent), *moments)


def _encoded_frames(world_model: WorldModel, datamodule: TrajectoryDataModule) -> Iterator[Tensor]:
    """The encoder's output for all training frames, in parts."""
    encoder = world_model.encoder
    if any(True for _ in encoder.parameters()):
        for batch in datamodule.training_frames([LATENTS]):
            yield _on_its_device(world_model, batch)[LATENTS]
    else:
        for batch in datamodule.training_frames(encoder.observation_keys):
            yield encoder.encode(_on_its_device(world_model, batch))


def _on_its_device(world_model: WorldModel, batch: dict[str, Tensor]) -> dict[str, Tensor]:
    device = world_model.normalizer.latent_mean.device
    return {key: part.to(device) for key, part in batch.items()}
