"""Random streams of policies."""

from collections.abc import Sequence

import numpy as np

# Environments draw from SeedSequence(seed) itself; policies add a key, so that a policy and an environment with the
# same seed do not draw the same numbers.
POLICY_KEY = 1


def policy_generators(seeds: Sequence[int]) -> list[np.random.Generator]:
    """Return one generator per row, a function of the row's seed alone."""
    return [np.random.default_rng(np.random.SeedSequence(int(seed), spawn_key=(POLICY_KEY,))) for seed in seeds]
