"""A regulariser towards straight paths of latents."""

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from gbplan import checks
from gbplan.modules.regularizers.regularizer import Regularizer

STILL = 1e-3
"""Steps of a latent up to this length are not counted as moves."""


class TemporalStraightening(Regularizer):
    """The curvature of the latents' path: ``1 - cosine`` of two successive steps, mean over windows and frames.

    A pair of steps with a latent that stands still costs nothing.

    Straight paths condition the planning loss better. This loss does not keep latents apart: combine it with a
    regulariser that does, in a ``RegularizerSum``.

    Source: Temporal Straightening, arXiv 2603.12231.
    """

    keeps_apart = False

    def __init__(self, weight: float = 0.1) -> None:
        """Set the weight.

        Args:
            weight: weight of the curvature, >= 0; 0.1 in the paper.

        Raises:
            ValueError: it is negative.
        """
        super().__init__()
        checks.not_negative(weight=weight)
        self.weight = weight

    def forward(self, latents: Tensor, actions: Tensor, observations: Mapping[str, Tensor]) -> Tensor:
        """Return the loss; see ``Regularizer``.

        Raises:
            ValueError: the windows have fewer than three frames.
        """
        if latents.shape[1] < 3:
            raise ValueError(
                f"TemporalStraightening needs windows of at least 3 frames, got {latents.shape[1]}; set data.steps to "
                "at least 2"
            )
        moves = latents.flatten(2).diff(dim=1)
        # The direction of a latent that stands still is noise, and its gradient would outweigh all others.
        moved = moves.detach().norm(dim=-1, keepdim=True) > STILL
        both = moved[:, :-1] & moved[:, 1:]
        before, after = (torch.where(both, part, 1.0) for part in (moves[:, :-1], moves[:, 1:]))
        return self.weight * (1 - F.cosine_similarity(before, after, dim=-1)).mean()
