"""Random action sequences, the raw material of every planner."""

from typing import Literal

import torch
from torch import Generator, Tensor
from torch.nn.functional import interpolate

Proposal = Literal["white", "knots"]


def draw_proposals(kind: Proposal, count: int, horizon: int, dim: int, num_knots: int, generator: Generator) -> Tensor:
    """Draw noise sequences of zero mean and about unit scale.

    White noise is N(0, 1) at each step: its displacements cancel, so a rollout stays near its start. With knots,
    ``num_knots`` values N(0, 1) are spread evenly over the horizon and joined by straight lines: whole arcs, which go
    somewhere. The variance between knots is lower, down to one half midway.

    Args:
        kind: white noise or knots.
        count: number of sequences S.
        horizon: steps H.
        dim: action dimensions A.
        num_knots: knots per sequence; unused by white noise.
        generator: where the randomness comes from; a CPU generator, so that a seed means the same on any device.

    Returns:
        Noise, ``(S, H, A)``, float64 on the CPU, so that a seed means the same in any precision, too.
    """
    if kind == "white":
        return torch.randn(count, horizon, dim, generator=generator, dtype=torch.float64)
    knots = torch.randn(count, dim, num_knots, generator=generator, dtype=torch.float64)
    return interpolate(knots, horizon, mode="linear", align_corners=True).transpose(1, 2)
