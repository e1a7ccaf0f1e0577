"""A small vision transformer that encodes pictures."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from gbplan.networks.encoder import Encoder
from gbplan.networks.pictures import picture_rows


class ViTEncoder(Encoder):
    """A transformer from square pictures of 64 to 96 pixels to a vector or a token per patch; a goal is a picture.

    P patches, W the width. Patches become tokens with a learned embedding of their place, and attend to each other in
    every layer. The vector is a linear function of all tokens side by side, so it keeps positions. Batch normalisation
    before this layer lets training find a small moving object on a large background. Pictures are uint8 with
    channels last, scaled to [-0.5, 0.5].

    Source: Dosovitskiy et al., An image is worth 16x16 words, 2021, without its class token; layers normalise first.
    """

    def __init__(
        self,
        dim: int = 16,
        image_size: int = 64,
        patch_size: int = 8,
        channels: int = 3,
        width: int = 64,
        depth: int = 3,
        heads: int = 4,
        mlp_size: int = 128,
        tokens: bool = False,
        pixels_key: str = "pixels",
        goal_key: str = "desired_pixels",
        frozen: bool = True,
    ) -> None:
        """Build the layers.

        Args:
            dim: numbers in the latent, or in each token.
            image_size: height and width of the pictures, a multiple of ``patch_size``.
            patch_size: height and width of a patch.
            channels: colours of the pictures.
            width: width W of the tokens inside, a multiple of ``heads``.
            depth: number of layers.
            heads: attention heads.
            mlp_size: width of the perceptron in each layer.
            tokens: latents are P tokens of ``dim`` numbers, ``(P, dim)``, instead of one vector.
            pixels_key: entry of the observation that is the picture.
            goal_key: entry of the observation that is the picture of the goal.
            frozen: do not train the weights; see ``Encoder``.

        Raises:
            ValueError: a size is below 1, ``patch_size`` does not divide ``image_size``, or ``heads`` ``width``.
        """
        super().__init__(frozen)
        sizes = [dim, image_size, patch_size, channels, width, depth, heads, mlp_size]
        if min(sizes) < 1:
            raise ValueError(
                "dim, image_size, patch_size, channels, width, depth, heads and mlp_size must be at least 1, got "
                f"{sizes}"
            )
        if image_size % patch_size or width % heads:
            raise ValueError(
                "patch_size must divide image_size and heads divide width, got "
                f"{patch_size}, {image_size}, {heads} and {width}"
            )
        patches = (image_size // patch_size) ** 2
        self.latent_shape = (patches, dim) if tokens else (dim,)
        self.observation_keys = (pixels_key,)
        self.goal_keys = (goal_key,)
        self.image_size = image_size
        self.channels = channels
        self.tokens = tokens
        self.read_in = nn.Conv2d(channels, width, patch_size, stride=patch_size)
        self.place = nn.Parameter(0.02 * torch.randn(patches, width))
        self.layers = nn.Sequential(
            *(
                nn.TransformerEncoderLayer(
                    width, heads, mlp_size, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
                )
                for _ in range(depth)
            ),
            nn.LayerNorm(width),
        )
        numbers = width if tokens else patches * width
        self.head = nn.Sequential(nn.BatchNorm1d(numbers), nn.Linear(numbers, dim))
        self.train()  # puts a frozen encoder in eval mode from the start

    def encode(self, observations: Mapping[str, Tensor]) -> Tensor:
        """Encode pictures ``(..., H, W, C)`` into latents.

        Raises:
            ValueError: they are not uint8, or of another size.
        """
        return self._encode(self.observation_keys[0], observations)

    def encode_goal(self, observations: Mapping[str, Tensor]) -> Tensor:
        """Encode the pictures of the goals; see ``encode``."""
        return self._encode(self.goal_keys[0], observations)

    def goal_features(self, latent: Tensor) -> Tensor:
        """Return the whole latent: a goal is a picture."""
        return latent

    def _encode(self, key: str, observations: Mapping[str, Tensor]) -> Tensor:
        rows = picture_rows(key, observations[key], self.channels, self.image_size)
        patches = self.read_in(rows.to(self.place.dtype) / 255 - 0.5).flatten(2).transpose(1, 2)  # (N, P, W)
        seen = self.layers(patches + self.place)
        latent = self.head(seen.flatten(0, 1) if self.tokens else seen.flatten(1))
        return latent.reshape(*observations[key].shape[:-3], *self.latent_shape)
