"""A regulariser that keeps latents decodable into pictures."""

from collections.abc import Mapping

from torch import Tensor

from gbplan import checks
from gbplan.modules.regularizers.regularizer import Regularizer
from gbplan.networks import Decoder


class Reconstruction(Regularizer):
    """The reconstruction loss of a decoder trained with the encoder, on the last frame of each window.

    Windows overlap, so nearly every frame is the last one of some window; decoding all frames of each window would
    cost several times as much.
    """

    def __init__(self, decoder: Decoder, weight: float = 1.0) -> None:
        """Store decoder and weight.

        Args:
            decoder: a decoder from latents to pictures.
            weight: weight of the loss, >= 0; see ``Decoder.loss``.

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
