"""An encoder that adds a point in another body's frame to the state."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from gbplan.networks.encoder import IdentityEncoder


class BodyFrameEncoder(IdentityEncoder):
    """The state and two more numbers: a point in a body's frame.

    A pusher's contact with a block is simple in the block's own frame, and hard to learn from two positions and an
    angle. The two numbers are predicted like all others; goals are coordinates of the state, unchanged.
    """

    def __init__(
        self,
        dim: int,
        goal_indices: Sequence[int],
        point: Sequence[int],
        origin: Sequence[int],
        heading: Sequence[int],
        state_indices: Sequence[int] | None = None,
    ) -> None:
        """Choose the latent's numbers that are the point and the body.

        Args:
            dim: number of latent dimensions without the two.
            goal_indices: which of them the goal consists of, in its order.
            point: x and y of the point.
            origin: x and y of the body.
            heading: cosine and sine of the body's angle.
            state_indices: which numbers of the observation are the first ``dim`` of the latent; null: all.

        Raises:
            ValueError: an index outside 0..dim - 1, or not two of them; or see ``IdentityEncoder``.
        """
        super().__init__(dim, goal_indices, state_indices)
        for name, pair in {"point": point, "origin": origin, "heading": heading}.items():
            if len(pair) != 2 or any(not 0 <= i < dim for i in pair):
                raise ValueError(f"{name} must be two indices in 0..{dim - 1} (dim = {dim}), got {list(pair)}")
        self.point, self.origin, self.heading = list(point), list(origin), list(heading)
        self.latent_shape = (dim + 2,)

    def encode(self, observations: Mapping[str, Tensor]) -> Tensor:
        """Return the state, or its selected part, and the point in the body's frame."""
        state = super().encode(observations)
        apart_x, apart_y = (state[..., self.point] - state[..., self.origin]).unbind(-1)
        cosine, sine = state[..., self.heading].unbind(-1)
        seen = [cosine * apart_x + sine * apart_y, cosine * apart_y - sine * apart_x]
        return torch.cat([state, torch.stack(seen, dim=-1)], dim=-1)
