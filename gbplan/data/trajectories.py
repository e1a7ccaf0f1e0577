"""Trajectories: episodes in memory, laid end to end."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Trajectories:
    """Episodes laid end to end as flat arrays of frames; an episode of T steps has T + 1 frames.

    F frames in all, E episodes, A action dimensions. Row f of ``actions`` is the action taken *at* frame f; the last
    frame of an episode has no action, and zeros in its place.

    Attributes:
        observations: one array per key of the observation dict, ``(F, ...)`` each.
        actions: ``(F, A)``.
        rewards: reward received for the action taken at frame f, ``(F,)``; 0 at the last frame.
        lengths: steps per episode, ``(E,)`` int64, each >= 1; ``F == sum(lengths + 1)``.
        terminated: whether each episode ended by termination, ``(E,)`` bool; otherwise it was cut off.
        infos: per-frame entries of the environment's info dict that are arrays, ``(F, ...)`` each; frame 0 of an
            episode has the entry of ``reset`` (zero where ``reset`` returned none). May be empty.
    """

    observations: dict[str, NDArray]
    actions: NDArray[np.float32]
    rewards: NDArray[np.floating]
    lengths: NDArray[np.int64]
    terminated: NDArray[np.bool_]
    infos: dict[str, NDArray]

    def __post_init__(self) -> None:
        frames = int((self.lengths + 1).sum())
        if len(self.lengths) and int(self.lengths.min()) < 1:
            raise ValueError("every episode must have at least one step, got an episode of length 0")
        arrays = {f"observations[{key!r}]": array for key, array in self.observations.items()}
        arrays |= {"actions": self.actions, "rewards": self.rewards}
        arrays |= {f"infos[{key!r}]": array for key, array in self.infos.items()}
        for name, array in arrays.items():
            if len(array) != frames:
                raise ValueError(
                    f"{name} must have sum(lengths + 1) = {frames} frames, got {len(array)}; "
                    "did you forget the last frame of each episode?"
                )

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def num_transitions(self) -> int:
        """Environment steps over all episodes."""
        return int(self.lengths.sum())

    @property
    def starts(self) -> NDArray[np.int64]:
        """Index of each episode's first frame, ``(E,)``."""
        return np.concatenate([np.zeros(1, np.int64), np.cumsum(self.lengths + 1)[:-1]])[: len(self.lengths)]

    def episodes(self) -> Iterator[slice]:
        """Yield the frame slice of each episode (T + 1 frames)."""
        for start, length in zip(self.starts, self.lengths, strict=True):
            yield slice(int(start), int(start + length + 1))

    def select(self, episodes: Sequence[int] | NDArray[np.integer] | NDArray[np.bool_]) -> "Trajectories":
        """Return the given episodes, in the given order (or by boolean mask)."""
        wanted = np.asarray(episodes)
        chosen = np.arange(len(self))[wanted if wanted.size else wanted.astype(np.int64)]
        starts = self.starts
        frames = [np.arange(starts[e], starts[e] + self.lengths[e] + 1) for e in chosen]
        index = np.concatenate(frames) if frames else np.zeros(0, np.int64)
        return Trajectories(
            observations={key: array[index] for key, array in self.observations.items()},
            actions=self.actions[index],
            rewards=self.rewards[index],
            lengths=self.lengths[chosen],
            terminated=self.terminated[chosen],
            infos={key: array[index] for key, array in self.infos.items()},
        )

    def only(self, keys: Sequence[str]) -> "Trajectories":
        """Return the same episodes with these observations only."""
        return replace(self, observations={key: array for key, array in self.observations.items() if key in keys})

    def require_finite(self, name: str) -> None:
        """Check that no observation or action is NaN or infinite.

        Args:
            name: name of the trajectories, for the message.

        Raises:
            ValueError: one is; the message names the entry and the episode.
        """
        for what, array in {**self.observations, "actions": self.actions}.items():
            if array.dtype.kind != "f":
                continue
            bad = ~np.isfinite(array).all(axis=tuple(range(1, array.ndim)))
            if bad.any():
                episode = int(np.searchsorted(self.starts, int(bad.argmax()), side="right")) - 1
                raise ValueError(
                    f"{name} has a NaN or infinite number in {what!r}, first in episode {episode} "
                    f"({int(bad.sum())} frames in all); remove such episodes or correct what produced them"
                )

    @staticmethod
    def concatenate(parts: "Sequence[Trajectories]") -> "Trajectories":
        """Concatenate several sets of episodes; info entries that all parts have are kept."""
        if not parts:
            raise ValueError("concatenate needs at least one set of trajectories, got none")
        infos = set.intersection(*(set(part.infos) for part in parts))
        return Trajectories(
            observations={
                key: np.concatenate([part.observations[key] for part in parts]) for key in parts[0].observations
            },
            actions=np.concatenate([part.actions for part in parts]),
            rewards=np.concatenate([part.rewards for part in parts]),
            lengths=np.concatenate([part.lengths for part in parts]),
            terminated=np.concatenate([part.terminated for part in parts]),
            infos={key: np.concatenate([part.infos[key] for part in parts]) for key in sorted(infos)},
        )
