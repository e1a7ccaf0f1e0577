"""What a planner is given: a model, an objective, where it stands and where it should go."""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from gbplan.objectives.objective import Objective


class PlanningModel(Protocol):
    """What planning needs of a world model; ``gbplan.networks.WorldModel`` has it."""

    def rollout(self, context: Tensor, past_actions: Tensor, actions: Tensor) -> Tensor:
        """Context ``(B, K, *D)``, past actions ``(B, K - 1, A)`` and actions ``(B, H, A)`` to latents ``(B, H, *D)``."""

    def step(self, latent: Tensor, action: Tensor) -> Tensor:
        """Latents ``(..., *D)`` and actions ``(..., A)`` to next latents ``(..., *D)``."""

    def achieved_goal(self, latent: Tensor) -> Tensor:
        """Latents ``(..., *D)`` to goal space ``(..., *G)``."""


@dataclass(frozen=True)
class PlanningProblem:
    """B planning tasks under one model and one objective.

    B tasks, S candidates per task, H steps, K history frames, A action dimensions, *D latent and *G goal shape.

    Attributes:
        model: the world model; only read, never trained.
        objective: cost of a predicted trajectory in goal space.
        context: latents of the last K observed frames, ``(B, K, *D)``.
        past_actions: actions between those frames, ``(B, K - 1, A)``, environment units.
        goal: what is to be achieved, ``(B, *G)``, goal space.
        low: lower action bounds, ``(A,)``.
        high: upper action bounds, ``(A,)``.
        chunk_rows: most candidate rows rolled out at once; bounds memory, and on a CPU keeps activations in cache.
    """

    model: PlanningModel
    objective: Objective
    context: Tensor
    past_actions: Tensor
    goal: Tensor
    low: Tensor
    high: Tensor
    chunk_rows: int = 1024

    @property
    def batch_size(self) -> int:
        """B, the number of tasks."""
        return self.context.shape[0]

    @property
    def action_dim(self) -> int:
        """A, the number of action dimensions."""
        return self.low.shape[0]

    def rollout(self, actions: Tensor) -> Tensor:
        """Roll out candidates ``(B, S, H, A)`` into what they achieve, ``(B, S, H, *G)``, in one piece."""
        batch, samples, horizon, dim = actions.shape
        rows = actions.reshape(batch * samples, horizon, dim)  # candidates become batch rows
        latents = self.model.rollout(
            self.context.repeat_interleave(samples, 0), self.past_actions.repeat_interleave(samples, 0), rows
        )
        achieved = self.model.achieved_goal(latents)
        return achieved.reshape(batch, samples, *achieved.shape[1:])

    def cost(self, actions: Tensor) -> Tensor:
        """Cost ``(B, S)`` of candidates ``(B, S, H, A)``, rolled out in chunks of at most ``chunk_rows`` rows."""
        batch, samples, horizon, dim = actions.shape
        rows = actions.reshape(batch * samples, horizon, dim)
        owner = torch.arange(batch, device=actions.device).repeat_interleave(samples)
        costs = []
        for index, chunk in zip(owner.split(self.chunk_rows), rows.split(self.chunk_rows), strict=True):
            latents = self.model.rollout(self.context[index], self.past_actions[index], chunk)
            costs.append(self.objective(self.model.achieved_goal(latents), self.goal[index], chunk))
        return torch.cat(costs).reshape(batch, samples)
