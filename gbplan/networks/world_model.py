"""A world model: encoder, predictor and normaliser in one module."""

from torch import Tensor, nn

from gbplan.networks.encoder import Encoder
from gbplan.networks.predictor import Predictor


class WorldModel(nn.Module):
    """Predicts latents under actions; observations and actions come in environment units.

    B tasks, K history frames, H steps, A action dimensions, *D latent shape, *G goal shape. Latents are standardised
    (zero mean, unit variance over the training data); the buffers that do so are part of the state dict. They are the
    identity until ``set_statistics`` is called.
    """

    latent_mean: Tensor
    latent_std: Tensor
    action_mean: Tensor
    action_std: Tensor
    has_statistics: Tensor

    def __init__(self, encoder: Encoder, predictor: Predictor) -> None:
        """Join an encoder and a predictor.

        Args:
            encoder: observations to latents.
            predictor: latents and actions to next latents, in standardised units.

        Raises:
            ValueError: the encoder's latent shape is not the predictor's.
        """
        super().__init__()
        if tuple(encoder.latent_shape) != tuple(predictor.latent_shape):
            raise ValueError(
                f"the encoder gives latents of shape {tuple(encoder.latent_shape)} but the predictor expects "
                f"{tuple(predictor.latent_shape)}; give both the same dimension"
            )
        self.encoder = encoder
        self.predictor = predictor
        import torch

        self.register_buffer("latent_mean", torch.zeros(encoder.latent_shape))
        self.register_buffer("latent_std", torch.ones(encoder.latent_shape))
        self.register_buffer("action_mean", torch.zeros(predictor.action_dim))
        self.register_buffer("action_std", torch.ones(predictor.action_dim))
        self.register_buffer("has_statistics", torch.zeros((), dtype=torch.bool))
