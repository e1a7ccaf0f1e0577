"""Random action sequences, the raw material of every planner."""

from typing import Literal

import torch
from torch import Generator, Tensor
from torch.nn.functional import interpolate

from gbplan.planners.problem import PlanningProblem

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
        Noise, ``(S, H, A)``, float32 on the CPU whatever the problem's precision, so that a seed means the same in any.
    """
    if kind == "white":
        return torch.randn(count, horizon, dim, generator=generator, dtype=torch.float32)
    knots = torch.randn(count, dim, num_knots, generator=generator, dtype=torch.float32)
    return interpolate(knots, horizon, mode="linear", align_corners=True).transpose(1, 2)


def draw_candidates(
    problem: PlanningProblem,
    init: Tensor | None,
    kind: Proposal | Literal["zero"],
    count: int,
    horizon: int,
    num_knots: int,
    std: float,
    generator: Generator,
) -> Tensor:
    """Draw action sequences around the middle of the action box.

    Args:
        problem: B tasks, which all get the same draws.
        init: ``(B, H, A)``, takes the place of the first one; None: all are drawn.
        kind: see ``draw_proposals``; "zero" draws nothing, and gives the middle itself, ``count`` 1.
        count: number of sequences S.
        horizon: steps H.
        num_knots: see ``draw_proposals``.
        std: standard deviation before clipping, in half ranges of the action box.
        generator: see ``draw_proposals``.

    Returns:
        Candidates within the bounds, ``(B, S, H, A)``.
    """
    noise = torch.zeros(1, horizon, problem.action_dim)
    if kind != "zero":
        noise = draw_proposals(kind, count, horizon, problem.action_dim, num_knots, generator)
    drawn = problem.center + std * problem.half_range * noise.to(problem.low)
    candidates = problem.clip(drawn).expand(problem.batch_size, -1, -1, -1)
    return candidates if init is None else torch.cat([init[:, None], candidates[:, 1:]], dim=1)


def draw_colored(count: int, horizon: int, dim: int, exponent: float, generator: Generator) -> Tensor:
    """Draw noise whose power falls with frequency f as ``f ** -exponent``.

    Exponent 0 is white noise, 1 is pink, 2 is a random walk made stationary. The lowest frequency of all, the mean over
    the horizon, has the power of the next one. Each step has unit variance over the draws.

    Args:
        count: number of sequences S.
        horizon: steps H.
        dim: action dimensions A.
        exponent: see above, >= 0.
        generator: see ``draw_proposals``.

    Returns:
        Noise, ``(S, H, A)``, float32 on the CPU.

    Source: Timmer and Koenig, On generating power law noise, 1995.
    """
    frequencies = horizon // 2 + 1
    parts = torch.randn(2, count, dim, frequencies, generator=generator, dtype=torch.float32)
    spectrum = torch.complex(parts[0], parts[1])
    # The mean and, for an even horizon, the fastest oscillation have no phase: their power is all in the real part.
    ends = [0, frequencies - 1] if horizon % 2 == 0 else [0]
    spectrum[..., ends] = 2**0.5 * parts[0][..., ends].to(spectrum)
    amplitude = torch.arange(frequencies, dtype=torch.float32).clamp(min=1) ** (-exponent / 2)
    # Every frequency but those contributes twice, as itself and as its mirror image.
    power = (2 * amplitude.square()).sum() - amplitude[ends].square().sum()
    noise = torch.fft.irfft(spectrum * amplitude, n=horizon)
    return (noise * horizon / (2 * power).sqrt()).transpose(1, 2)
