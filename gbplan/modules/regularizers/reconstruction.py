"""Latents that pictures can be made of again."""

from collections.abc import Mapping

from torch import Tensor

from gbplan import checks
from gbplan.modules.regularizers.regularizer import Regularizer
from gbplan.networks import Decoder


class Reconstruction(Regularizer):
    """A decoder trained with the encoder: what it makes of the last frame of each window.

    Of windows in random order, every frame is the last of one; decoding them all would cost several times as much.
    """

    def __init__(self, decoder: Decoder, weight: float = 1.0) -> None:
        """Take the decoder.

        Args:
            decoder: makes pictures of latents.
            weight: of its loss, see ``Decoder.loss``.

        Raises:
            ValueError: the weight is negative.
        """
        super().__init__()
        checks.not_negative(weight=weight)
        self.decoder = decoder
        self.weight = weight

    def forward(self, latents: Tensor, actions: Tensor, observations: Mapping[str, Tensor]) -> Tensor:
        """Return the loss; see ``Regularizer``.

        Raises:
            ValueError: the decoder was made for other latents or pictures.
        """
        last = {key: values[:, -1] for key, values in observations.items()}
        return self.weight * self.decoder.loss(latents[:, -1], last)
