"""Distributions of random action sequences."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Generator, Tensor
from torch.nn.functional import interpolate

from gbplan import checks
from gbplan.planners.problem import PlanningProblem


class Noise(ABC):
    """Noise sequences of zero mean and about unit scale; a planner scales and shifts them."""

    @abstractmethod
    def draw(self, count: int, horizon: int, dim: int, generator: Generator) -> Tensor:
        """Draw sequences.

        Args:
            count: number of sequences S.
            horizon: environment steps H.
            dim: dimensions A of an environment action.
            generator: a CPU generator.

        Returns:
            Noise, ``(S, H, A)``, always float32 on the CPU, so that a seed gives the same noise for any device and
            precision of the problem.
        """


@dataclass(frozen=True)
class White(Noise):
    """N(0, 1) at each step: displacements cancel, so a rollout stays near its start."""

    def draw(self, count: int, horizon: int, dim: int, generator: Generator) -> Tensor:
        """Draw sequences; see ``Noise``."""
        return torch.randn(count, horizon, dim, generator=generator, dtype=torch.float32)


@dataclass(frozen=True)
class Knots(Noise):
    """Values N(0, 1) at knots spread evenly over the horizon, joined by straight lines: smooth arcs that travel far.

    The variance between knots is lower, down to one half midway.

    Args:
        count: knots per sequence, >= 1.

    Raises:
        ValueError: ``count`` < 1.
    """

    count: int = 5

    def __post_init__(self) -> None:
        """Check the count."""
        checks.at_least_one(count=self.count)

    def draw(self, count: int, horizon: int, dim: int, generator: Generator) -> Tensor:
        """Draw sequences; see ``Noise``."""
        knots = torch.randn(count, dim, self.count, generator=generator, dtype=torch.float32)
        return interpolate(knots, horizon, mode="linear", align_corners=True).transpose(1, 2)


@dataclass(frozen=True)
class Colored(Noise):
    """Noise whose power falls with frequency f as ``f ** -exponent``.

    The lowest frequency, the mean over the horizon, has the power of the next one. Each step has unit variance over the
    draws.

    Source: Timmer and Koenig, On generating power law noise, 1995.

    Args:
        exponent: 0 is white noise, 1 is pink, 2 is a random walk made stationary; larger values are smoother; >= 0.

    Raises:
        ValueError: ``exponent`` is negative or not finite.
    """

    exponent: float = 2.0

    def __post_init__(self) -> None:
        """Check the exponent."""
        checks.not_negative(exponent=self.exponent)

    def draw(self, count: int, horizon: int, dim: int, generator: Generator) -> Tensor:
        """Draw sequences; see ``Noise``."""
        frequencies = horizon // 2 + 1
        parts = torch.randn(2, count, dim, frequencies, generator=generator, dtype=torch.float32)
        spectrum = torch.complex(parts[0], parts[1])
        # The mean and, for an even horizon, the fastest oscillation have no phase: their power is all in the real part.
        ends = [0, frequencies - 1] if horizon % 2 == 0 else [0]
        spectrum[..., ends] = 2**0.5 * parts[0][..., ends].to(spectrum)
        amplitude = torch.arange(frequencies, dtype=torch.float32).clamp(min=1) ** (-self.exponent / 2)
        # All other frequencies contribute twice, as themselves and as their mirror images.
        power = (2 * amplitude.square()).sum() - amplitude[ends].square().sum()
        noise = torch.fft.irfft(spectrum * amplitude, n=horizon)
        return (noise * horizon / (2 * power).sqrt()).transpose(1, 2)


def draw_for(problem: PlanningProblem, noise: Noise, count: int, horizon: int, generator: Generator) -> Tensor:
    """Draw model actions for a problem.

    If they are blocks of n environment actions, environment actions are drawn, and n put side by side, so that smooth
    noise is also smooth within a block.

    Args:
        problem: the problem, which has the number of environment actions in a model action, and their dimensions.
        noise: distribution of the sequences.
        count: number of sequences S.
        horizon: model steps H.
        generator: see ``Noise.draw``.

    Returns:
        Noise, ``(S, H, A)``, float32 on the CPU.
    """
    block = problem.action_block
    steps = noise.draw(count, horizon * block, problem.action_dim // block, generator)
    return steps if block == 1 else steps.reshape(count, horizon, problem.action_dim)


def draw_around(
    problem: PlanningProblem, mean: Tensor, std: Tensor, noise: Tensor, *, keep_mean: bool = True
) -> Tensor:
    """Return samples around the mean of each task, clipped to the action bounds.

    Args:
        problem: B tasks, which all get the same noise.
        mean: ``(B, H, A)``.
        std: standard deviation of each action, ``(B, H, A)`` or ``(A,)``, in environment units.
        noise: ``(S, H, A)``; its first sequence may be overwritten.
        keep_mean: make the first sample the mean itself.

    Returns:
        Samples, ``(B, S, H, A)``.
    """
    noise = noise.to(mean)
    if keep_mean:
        noise[0] = 0.0
    return problem.clip(mean[:, None] + (std[:, None] if std.ndim > 1 else std) * noise)
