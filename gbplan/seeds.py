"""Seeds of training, validation and held-out tasks: three ranges without overlap.

An environment's seed determines its task, so disjoint seeds keep training tasks out of evaluation.
"""

from collections.abc import Sequence

import numpy as np

TRAINING_SEEDS = range(0, 2**30)
VALIDATION_SEEDS = range(2**30, 2**30 + 2**29)
HELD_OUT_SEEDS = range(2**30 + 2**29, 2**31)

STREAM_LENGTH = 1_000_000


def episode_seeds(span: range, stream: int, count: int, start: int = 0) -> list[int]:
    """Seeds of consecutive episodes: episode e of a stream has seed ``span.start + stream * 1_000_000 + e``.

    Streams never overlap, so two collections with different streams share no task.

    Args:
        span: ``TRAINING_SEEDS``, ``VALIDATION_SEEDS`` or ``HELD_OUT_SEEDS``.
        stream: number of the stream, from 0; the user's ``seed``.
        count: number of seeds.
        start: the first episode.

    Returns:
        ``count`` seeds, all within ``span``.

    Raises:
        ValueError: the stream does not lie in the range, or its million seeds do not suffice.
    """
    streams = len(span) // STREAM_LENGTH
    if not 0 <= stream < streams:
        raise ValueError(f"seed must lie in 0..{streams - 1} (each owns a million episode seeds), got {stream}")
    if count < 0 or start < 0 or start + count > STREAM_LENGTH:
        raise ValueError(
            f"a seed has {STREAM_LENGTH} episodes, got episodes {start}..{start + count - 1}; "
            "spread them over several seeds"
        )
    first = span.start + stream * STREAM_LENGTH + start
    return list(range(first, first + count))


def policy_seeds(seeds: Sequence[int]) -> list[int]:
    """Derive one seed for the policy's own draws from each environment's seed.

    Seeds are hashed, so that a policy's noise depends only on the episode's seed but not on the environment's draws.
    """
    return [int(np.random.SeedSequence((seed, 1)).generate_state(1)[0]) for seed in seeds]


# Environments draw from SeedSequence(seed) itself; policies add a key, so that a policy and an environment with the
# same seed do not draw the same numbers.
POLICY_KEY = 1


def policy_generators(seeds: Sequence[int]) -> list[np.random.Generator]:
    """Return one generator per row, a function of the row's seed alone."""
    return [np.random.default_rng(np.random.SeedSequence(int(seed), spawn_key=(POLICY_KEY,))) for seed in seeds]
