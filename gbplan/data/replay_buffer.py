"""The most recent episodes, within a bound."""

import torch
from torch import Tensor


class ReplayBuffer:
    """Keeps the newest whole episodes whose transitions fit its capacity; the oldest leave first.

    Attributes:
        capacity: most transitions it holds.
        frames: packed frames of the episodes in it, oldest first, ``(F, width)``.
        lengths: their steps, ``(E,)`` int64; ``F == sum(lengths + 1)``.
        added: transitions ever added, those that have left included.
    """

    def __init__(self, capacity: int, width: int) -> None:
        """Start empty.

        Args:
            capacity: most transitions to hold.
            width: numbers in a frame.
        """
        self.capacity = capacity
        self.frames = torch.empty(0, width)
        self.lengths = torch.empty(0, dtype=torch.int64)
        self.added = 0

    def __len__(self) -> int:
        return int(self.lengths.sum())

    def extend(self, frames: Tensor, lengths: Tensor) -> None:
        """Add episodes, the newest last.

        Raises:
            ValueError: one of them alone exceeds the capacity.
        """
        if len(lengths) and int(lengths.max()) > self.capacity:
            raise ValueError(
                f"an episode of {int(lengths.max())} steps does not fit a replay buffer of {self.capacity} "
                "transitions; raise buffer_capacity"
            )
        frames = torch.cat([self.frames, frames])
        together = torch.cat([self.lengths, lengths])
        # An episode stays if it and all newer ones fit.
        kept = int((together.flip(0).cumsum(0) <= self.capacity).sum())
        self.added += int(lengths.sum())
        self.lengths = together[len(together) - kept :].clone()
        self.frames = frames[len(frames) - int((self.lengths + 1).sum()) :].clone()

    def state_dict(self) -> dict[str, Tensor | int]:
        """Contents and counters, loadable with ``weights_only=True``."""
        return {"frames": self.frames, "lengths": self.lengths, "added": self.added}

    def load_state_dict(self, state: dict[str, Tensor | int]) -> None:
        """Replace the contents by saved ones.

        Raises:
            ValueError: the frames are of another width.
        """
        frames = torch.as_tensor(state["frames"])
        if frames.shape[1] != self.frames.shape[1]:
            raise ValueError(
                f"the checkpoint's replay buffer has frames of {frames.shape[1]} numbers, the datasets' have "
                f"{self.frames.shape[1]}; was it made with other datasets?"
            )
        self.frames = frames
        self.lengths = torch.as_tensor(state["lengths"])
        self.added = int(state["added"])
