"""A small convolutional encoder of pictures."""

from collections.abc import Mapping

from torch import Tensor, nn

from gbplan.networks.encoder import Encoder
from gbplan.networks.pictures import picture_rows


class ConvEncoder(Encoder):
    """Encodes square pictures into a vector, or a 4 x 4 grid of tokens; a goal is a picture as well.

    Layers halve the picture until 4 x 4 cells remain; batch normalisation makes small moving objects visible to an
    encoder in training, on a large background. Pictures are uint8 with channels last, Gymnasium's layout, and are
    scaled to [-0.5, 0.5].
    """

    def __init__(
        self,
        dim: int = 16,
        image_size: int = 64,
        channels: int = 3,
        width: int = 16,
        tokens: bool = False,
        pixels_key: str = "pixels",
        goal_key: str = "desired_pixels",
        frozen: bool = True,
    ) -> None:
        """Build the layers.

        Args:
            dim: numbers in the latent, or in each token.
            image_size: height and width of the pictures: 4 times a power of two, at least 8.
            channels: colours of the pictures.
            width: channels of the first layer; each later one has twice as many as the one before, at most 8 times.
            tokens: latents are 16 tokens of ``dim`` numbers, ``(16, dim)``, instead of one vector.
            pixels_key: entry of the observation that is the picture.
            goal_key: entry of the observation that is the picture of the goal.
            frozen: keep the weights fixed; see ``Encoder``.

        Raises:
            ValueError: a size is out of its range.
        """
        super().__init__(frozen)
        halvings = (image_size // 4).bit_length() - 1
        if image_size < 8 or image_size != 4 * 2**halvings:
            raise ValueError(f"image_size must be 8, 16, 32, 64, 128, ..., got {image_size}")
        if min(dim, channels, width) < 1:
            raise ValueError(f"dim, channels and width must be at least 1, got {dim}, {channels} and {width}")
        self.latent_shape = (16, dim) if tokens else (dim,)
        self.observation_keys = (pixels_key,)
        self.goal_keys = (goal_key,)
        self.image_shape = (image_size, image_size, channels)
        self.tokens = tokens
        layers: list[nn.Module] = []
        before = channels
        for i in range(halvings):
            after = width * 2 ** min(i, 3)
            layers += [nn.Conv2d(before, after, 4, stride=2, padding=1), nn.BatchNorm2d(after), nn.ReLU()]
            before = after
        self.layers = nn.Sequential(*layers)
        self.head = nn.Linear(before, dim) if tokens else nn.Linear(16 * before, dim)
        self.train()  # a frozen encoder is in eval mode from the start

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
        rows = picture_rows(key, observations[key], self.image_shape[-1], self.image_shape[0])
        cells = self.layers(rows.to(self.head.weight.dtype) / 255 - 0.5)  # (N, C, 4, 4)
        latent = self.head(cells.flatten(2).transpose(1, 2) if self.tokens else cells.flatten(1))
        return latent.reshape(*observations[key].shape[:-3], *self.latent_shape)
