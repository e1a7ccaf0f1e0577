"""From observations to latents, and from latents to what a goal is compared with."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from torch import Tensor, nn

from gbplan.networks.fused.pullback import Pullback, pullback_by_autograd


class Encoder(nn.Module, ABC):
    """Maps observations to latents ``(..., *D)``, before normalisation.

    Attributes:
        latent_shape: D, the shape of one latent.
        observation_key: the entry of the observation dict that is encoded.
    """

    latent_shape: tuple[int, ...]
    observation_key: str = "observation"

    @abstractmethod
    def forward(self, observation: Tensor) -> Tensor:
        """Encode ``observation[observation_key]``, ``(..., *obs shape)``, into latents ``(..., *D)``."""

    @abstractmethod
    def achieved_goal(self, latent: Tensor) -> Tensor:
        """What a latent ``(..., *D)`` has reached, in goal space ``(..., *G)``; differentiable."""

    def achieved_goal_with_pullback(self, latent: Tensor) -> tuple[Tensor, Pullback]:
        """``achieved_goal``, detached, and the way back: from the gradient of what it returns to that of ``latent``."""
        return pullback_by_autograd(self.achieved_goal, latent)

    @abstractmethod
    def encode_goal(self, desired_goal: Tensor) -> Tensor:
        """Map the observation dict's ``desired_goal`` into the same goal space ``(..., *G)``."""


class IdentityEncoder(Encoder):
    """The state is its own latent; a goal is some of its coordinates, in environment units."""

    def __init__(self, dim: int, goal_indices: Sequence[int] = (0, 1)) -> None:
        """Encode state vectors as they are.

        Args:
            dim: number of state dimensions.
            goal_indices: which state dimensions ``achieved_goal`` consists of, in its order.

        Raises:
            ValueError: ``dim`` < 1, or an index outside 0..dim - 1.
        """
        super().__init__()
        if dim < 1:
            raise ValueError(f"dim must be at least 1, got {dim}")
        if not goal_indices or any(not 0 <= i < dim for i in goal_indices):
            raise ValueError(
                f"goal_indices must lie in 0..{dim - 1} (dim = {dim}) and not be empty, got {goal_indices}"
            )
        self.latent_shape = (dim,)
        self.goal_indices = list(goal_indices)
        first, last = self.goal_indices[0], self.goal_indices[-1]
        consecutive = self.goal_indices == list(range(first, last + 1))
        # A slice is a view; a list gathers, and its gradient scatters, which takes longer than rolling out a row.
        self._goal: slice | list[int] = slice(first, last + 1) if consecutive else self.goal_indices

    def forward(self, observation: Tensor) -> Tensor:
        """Return the state itself."""
        return observation

    def achieved_goal(self, latent: Tensor) -> Tensor:
        """Pick the goal coordinates, ``(..., G)``."""
        return latent[..., self._goal]

    def achieved_goal_with_pullback(self, latent: Tensor) -> tuple[Tensor, Pullback]:
        """Pick the goal coordinates, and put their gradient back where they came from; see ``Encoder``."""
        if isinstance(self._goal, list) or type(self).achieved_goal is not IdentityEncoder.achieved_goal:
            return super().achieved_goal_with_pullback(latent)
        if len(self.goal_indices) == latent.shape[-1]:
            return latent, lambda gradient: gradient

        def pullback(gradient: Tensor) -> Tensor:
            of_latent = gradient.new_zeros(latent.shape)
            of_latent[..., self._goal] = gradient
            return of_latent

        return latent[..., self._goal], pullback

    def encode_goal(self, desired_goal: Tensor) -> Tensor:
        """Return the desired goal itself."""
        return desired_goal
