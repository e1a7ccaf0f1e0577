"""A regulariser that makes latents known quantities."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from gbplan import checks
from gbplan.modules.regularizers.regularizer import Regularizer
from gbplan.networks.encoder import pick


class Labels(Regularizer):
    """The squared error of the latent's first numbers as estimates of labelled ones, such as a block's pose.

    With labels an encoder is no longer learned from pictures and actions alone. Use it to tell how much of a failure
    comes from the latent: everything after the encoder stays the same.
    """

    offset: Tensor
    scale: Tensor

    def __init__(
        self,
        indices: Sequence[int],
        offset: Sequence[float],
        scale: Sequence[float],
        key: str = "achieved_goal",
        weight: float = 1.0,
    ) -> None:
        """Choose the labels and their units.

        Args:
            indices: indices >= 0 of N numbers of the entry, which the latent's first N numbers learn, in this order.
            offset: values of the labels at which the latent's numbers are zero, N numbers.
            scale: change of the labels in one unit of the latent's numbers, N numbers above 0.
            key: entry of the observation with the labels; ``achieved_goal`` is in the batches of a model with a probe.
            weight: weight of the loss, >= 0.

        Raises:
            ValueError: the lists are empty or have different lengths, an index or the weight is negative, or a scale is
                not positive.
        """
        super().__init__()
        if not indices or not len(indices) == len(offset) == len(scale):
            raise ValueError(
                "indices, offset and scale must have the same number of entries, at least one, got "
                f"{len(indices)}, {len(offset)} and {len(scale)}"
            )
        if min(indices) < 0:
            raise ValueError(f"indices must be numbers >= 0, got {list(indices)}")
        if not all(each > 0 for each in scale):
            raise ValueError(f"scale must be positive, got {list(scale)}")
        checks.not_negative(weight=weight)
        self.indices, self.key, self.weight = list(indices), key, weight
        self.register_buffer("offset", torch.tensor(offset, dtype=torch.float32), persistent=False)
        self.register_buffer("scale", torch.tensor(scale, dtype=torch.float32), persistent=False)

    def forward(self, latents: Tensor, actions: Tensor, observations: Mapping[str, Tensor]) -> Tensor:
        """Return the loss; see ``Regularizer``.

        Raises:
            ValueError: the batch has no labels or too few numbers in their entry, or the latents have fewer numbers.
        """
        if self.key not in observations:
            raise ValueError(
                f"the labels are {self.key!r}, the batch has {', '.join(observations)}; give the world model a probe, "
                "which adds achieved_goal, or name another key"
            )
        if latents.ndim != 3 or latents.shape[2] < len(self.indices):
            raise ValueError(
                f"latents must be vectors of at least {len(self.indices)} numbers, one for each label, got "
                f"{tuple(latents.shape[2:])}; raise the encoder's dim"
            )
        labels = (pick(observations[self.key], self.indices, self.key, "indices of Labels") - self.offset) / self.scale
        return self.weight * (latents[..., : len(self.indices)] - labels).square().mean()
