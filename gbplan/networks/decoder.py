"""A decoder from latents to pictures, to look at what a model imagines."""

from collections.abc import Mapping, Sequence
from math import isqrt, prod

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gbplan import checks


class Decoder(nn.Module):
    """A convolutional decoder from latents to square pictures: uint8, channels last.

    Layers double a grid of cells until it is as large as the picture. The result is added to the mean picture of the
    first training batch, because moving objects are often small on a constant background. Tokens that fill a
    square, ``(n * n, C)``, are the first cells; any other latent is mapped to 4 x 4 cells.

    As a part of a world model it is trained on latents whose gradient is stopped: it shows what the model imagines and
    has no influence on the latents or on plans. As the decoder of a ``Reconstruction`` it shapes the latents.

    Attributes:
        latent_shape: *D, the shape of one latent.
        picture_shape: ``(H, W, C)``.
        pixels_key: the entry of the observation that is the picture.
    """

    mean: Tensor
    has_mean: Tensor

    def __init__(
        self,
        latent_dim: int | Sequence[int],
        image_size: int = 64,
        channels: int = 3,
        width: int = 16,
        pixels_key: str = "pixels",
    ) -> None:
        """Build the layers.

        Args:
            latent_dim: number of latent dimensions, or the shape of latents that are not vectors.
            image_size: height and width of the pictures, at least 8.
            channels: colours of the pictures.
            width: channels of the second to last layer; each earlier layer has twice as many, up to 8 times ``width``.
            pixels_key: entry of the observation that is the picture.

        Raises:
            ValueError: a size is out of its range.
        """
        super().__init__()
        shape = (latent_dim,) if isinstance(latent_dim, int) else tuple(latent_dim)
        checks.at_least_one(latent_dim=min(shape, default=0), channels=channels, width=width)
        if image_size < 8:
            raise ValueError(f"image_size must be at least 8, got {image_size}")
        self.latent_shape = shape
        self.picture_shape = (image_size, image_size, channels)
        self.pixels_key = pixels_key
        self.tokens = len(shape) == 2 and isqrt(shape[0]) ** 2 == shape[0] and 1 < isqrt(shape[0]) < image_size
        self.side = isqrt(shape[0]) if self.tokens else 4
        doublings = max(1, ((image_size - 1) // self.side).bit_length())
        before = width * 2 ** min(doublings - 1, 3)
        self.cells = nn.Linear(shape[1], before) if self.tokens else nn.Linear(prod(shape), 16 * before)
        layers: list[nn.Module] = []
        for i in reversed(range(doublings)):
            after = width * 2 ** min(i - 1, 3) if i else channels
            layers += [nn.ReLU(), last := nn.ConvTranspose2d(before, after, 4, stride=2, padding=1)]
            before = after
        nn.init.zeros_(last.weight)  # an untrained decoder returns the mean picture
        assert last.bias is not None
        nn.init.zeros_(last.bias)
        self.layers = nn.Sequential(*layers)
        self.register_buffer("mean", torch.full(self.picture_shape, 0.5))
        # Not a bool: Lightning's WeightAveraging averages buffers.
        self.register_buffer("has_mean", torch.zeros((), dtype=torch.uint8))

    def forward(self, latents: Tensor) -> Tensor:
        """Decode standardised latents ``(..., *D)`` into pictures ``(..., H, W, C)``; colours are about in [0, 1]."""
        rows, lead = latents.reshape(-1, *self.latent_shape), latents.shape[: -len(self.latent_shape)]
        cells = self.cells(rows if self.tokens else rows.flatten(1)).reshape(len(rows), self.side**2, -1)
        pictures = self.layers(cells.transpose(1, 2).unflatten(2, (self.side, self.side)))
        size = self.picture_shape[:2]
        if pictures.shape[2:] != size:
            pictures = F.interpolate(pictures, size, mode="bilinear", antialias=True)
        return pictures.movedim(1, -1).reshape(*lead, *self.picture_shape) + self.mean

    def decode(self, latents: Tensor) -> Tensor:
        """Decode standardised latents ``(..., *D)`` into uint8 pictures ``(..., H, W, C)``."""
        return (255 * self(latents).clamp(0, 1)).round().to(torch.uint8)

    def loss(self, latents: Tensor, observations: Mapping[str, Tensor]) -> Tensor:
        """Squared error of the decoded pictures: sum over pixels and colours (in [0, 1]), mean over pictures.

        Args:
            latents: ``(N, *D)``, standardised.
            observations: the encoded observations, ``(N, *obs)`` each.

        Returns:
            A scalar.

        Raises:
            ValueError: the picture is missing, not uint8 or of another size; or the latents are of another shape.
        """
        if self.pixels_key not in observations:
            raise ValueError(
                f"the decoder is trained on {self.pixels_key!r}, the batch has {', '.join(observations)}; set its "
                "pixels_key, or leave it out"
            )
        pictures = observations[self.pixels_key]
        if pictures.dtype != torch.uint8 or tuple(pictures.shape[1:]) != self.picture_shape:
            raise ValueError(
                f"the decoder makes uint8 pictures of shape {self.picture_shape}, {self.pixels_key!r} is "
                f"{pictures.dtype} of {tuple(pictures.shape[1:])}; set the decoder's image_size and channels"
            )
        if tuple(latents.shape[1:]) != self.latent_shape:
            raise ValueError(
                f"the decoder reads latents of shape {self.latent_shape}, the model makes {tuple(latents.shape[1:])}; "
                "set the decoder's latent_dim"
            )
        colours = pictures.to(latents.dtype) / 255
        if self.training and not self.has_mean:
            self.mean.copy_(colours.mean(0))
            self.has_mean.fill_(1)
        return (self(latents) - colours).square().sum(dim=(1, 2, 3)).mean()
