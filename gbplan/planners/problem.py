"""Planning problems: a model, an objective, the current frames and the goal."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import chain
from typing import Protocol

import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from gbplan.networks.world_model import WorldModel
from gbplan.objectives.objective import Objective
from gbplan.objectives.scaled import with_data_scale
from gbplan.planners import rollouts
from gbplan.planners.cuda_graph import Function, Graphed, capture_for
from gbplan.planners.memory import default_memory_mib
from gbplan.planners.observations import read_observations


class PlanningModel(Protocol):
    """The interface of world models for planning; ``gbplan.networks.WorldModel`` implements it."""

    def rollout(self, context: Tensor, past_actions: Tensor, actions: Tensor) -> Tensor:
        """Context ``(B, K, *D)``, past actions ``(B, K - 1, A)``, actions ``(B, H, A)`` to latents ``(B, H, *D)``."""

    def goal_features(self, latents: Tensor) -> Tensor:
        """Map latents ``(..., *D)`` to goal space ``(..., *G)``."""


@dataclass(frozen=True)
class PlanningProblem:
    """B planning tasks under one model and one objective.

    B tasks, S candidates per task, H model steps, K history frames, A dimensions of a model action, *D latent and *G
    goal shape.

    Attributes:
        model: the world model, which is not trained: costs have gradients with respect to actions, not parameters.
        objective: cost of a predicted trajectory in goal space.
        context: latents of the last K observed frames, ``(B, K, *D)``.
        past_actions: actions between those frames, ``(B, K - 1, A)``, environment units.
        goal: the goals, ``(B, *G)``, goal space.
        low: lower action bounds, ``(A,)``.
        high: upper action bounds, ``(A,)``.
        memory_mib: approximate memory for rollouts, in MiB: candidates are rolled out in chunks that fit. None: 512 on
            a CPU, half of the free memory on a GPU.
        action_block: number of environment actions in a model action, side by side; it divides A. Noise is drawn per
            environment action.
    """

    model: PlanningModel
    objective: Objective
    context: Tensor
    past_actions: Tensor
    goal: Tensor
    low: Tensor
    high: Tensor
    memory_mib: float | None = None
    action_block: int = 1

    @classmethod
    def from_observations(
        cls,
        model: WorldModel,
        objective: Objective,
        observations: Mapping[str, NDArray | Tensor],
        past_actions: NDArray | Tensor | None = None,
        *,
        bounds: tuple[ArrayLike | Tensor, ArrayLike | Tensor],
        memory_mib: float | None = None,
    ) -> "PlanningProblem":
        """Make a problem from observations: encodes frames and goals.

        At the start of an episode, with fewer than K frames, the first is repeated, and the actions between repeated
        frames are zero, or the bounds nearest to it. Observations move to the model's device and dtype; pictures stay
        uint8.

        Args:
            model: the world model in eval mode.
            objective: cost of a predicted trajectory in goal space; ``Scaled`` by ``data``, also inside another
                ``Scaled``, gets its scale from the model.
            observations: the last k frames of B tasks, oldest first, ``(B, k, ...)`` for each of the encoder's
                ``observation_keys`` and ``goal_keys``, 1 <= k <= K; goals are those of the last frame.
            past_actions: model actions between these frames, ``(B, k - 1, A)``; None: zero, or the bounds nearest to
                it.
            bounds: lowest and highest action of the environment, ``(A / n,)`` each; they apply to each of the n
                environment actions of a model action.
            memory_mib: see the class.

        Raises:
            ValueError: a key is missing, a shape does not fit the model, or there are more frames than it looks at.
        """
        context, past_actions, goal, low, high = read_observations(model, observations, past_actions, bounds)
        objective = with_data_scale(objective, lambda: model.goal_deviations())
        return cls(model, objective, context, past_actions, goal, low, high, memory_mib, model.action_block)

    @property
    def batch_size(self) -> int:
        """B, the number of tasks."""
        return self.context.shape[0]

    @property
    def action_dim(self) -> int:
        """A, the number of dimensions of a model action."""
        return self.low.shape[0]

    @cached_property
    def center(self) -> Tensor:
        """Middle of the action box, ``(A,)``."""
        return (self.low + self.high) / 2

    @cached_property
    def half_range(self) -> Tensor:
        """Half the width of the action box, ``(A,)``: the unit in which planners count steps and noise."""
        return (self.high - self.low) / 2

    def clip(self, actions: Tensor) -> Tensor:
        """Clip actions ``(..., H, A)`` to the bounds."""
        # Bounds for the whole horizon: with one step's bounds, torch would process only A numbers at a time.
        low, high = (bound.expand(actions.shape[-2:]).contiguous() for bound in (self.low, self.high))
        return actions.clamp(low, high)

    def rollout(self, actions: Tensor, read: Callable[[Tensor], Tensor] | None = None) -> Tensor:
        """Roll out candidates ``(B, S, H, A)`` into achieved goals, ``(B, S, H, *G)``; differentiable.

        Args:
            actions: candidates.
            read: function of latents ``(rows, H, *D)``, such as the model's ``achieved_goal``; None: its
                ``goal_features``.
        """
        return rollouts.achieved(self, actions, read or self.model.goal_features)

    def cost(self, actions: Tensor) -> Tensor:
        """Cost ``(B, S)`` of candidates ``(B, S, H, A)``.

        Raises:
            ValueError: the model or the objective returns another shape than it should.
        """
        return self.graphed(rollouts.cost, actions)[0]

    def cost_and_latents(self, actions: Tensor) -> tuple[Tensor, Tensor]:
        """Cost ``(B, S)`` of candidates ``(B, S, H, A)``, and the latents ``(B, S, H, *D)`` they lead through."""
        cost, latents = self.graphed(rollouts.cost_and_latents, actions)
        return cost, latents

    def cost_and_gradient(self, actions: Tensor) -> tuple[Tensor, Tensor]:
        """Cost ``(B, S)`` of candidates ``(B, S, H, A)``, and its gradient; both detached."""
        cost, gradient = self.graphed(rollouts.cost_and_gradient, actions)
        return cost, gradient

    def graphed(self, function: Callable[..., tuple[Tensor, ...]], *given: Tensor) -> tuple[Tensor, ...]:
        """Return ``function(problem, *given)``, a planner's repeated computation, on a GPU as a CUDA graph.

        Args:
            function: a named function without side effects; other tensors that it reads must keep their addresses.
            *given: tensors.
        """
        bound: Function = partial(function, self)
        return self._graphed(function.__name__, bound, *given)

    @cached_property
    def row_limits(self) -> dict[tuple[int, bool], int]:
        """Cached results of ``memory.rows_at_once``, which planners need in every iteration."""
        return {}

    @cached_property
    def _graphed(self) -> Graphed:
        return Graphed(capture_for(self.context.device), self.model)

    def select(self, rows: Tensor | slice) -> "PlanningProblem":
        """Select the tasks ``rows``: indices, a mask ``(B,)``, or a slice."""
        return replace(self, context=self.context[rows], past_actions=self.past_actions[rows], goal=self.goal[rows])

    def owned(self) -> "PlanningProblem":
        """Return a checked copy with its own tensors, all of the context's dtype and on its device.

        Call it outside inference mode: a tensor made in inference mode cannot be part of a gradient, its clone can.

        Raises:
            ValueError: a shape or the block does not fit, there are no tasks, a value is not finite (the message names
                the rows), the action bounds are not finite or not in order, or the model lies on another device.
        """
        batch, frames = self.context.shape[:2] if self.context.ndim > 2 else (0, 0)
        if batch < 1 or frames < 1:
            raise ValueError(
                f"context must have shape (B, K, *D) with B, K >= 1, got {tuple(self.context.shape)}; "
                "is there any task left to plan?"
            )
        dim = self.low.shape[-1] if self.low.ndim else 0
        expected = {"past_actions": (batch, frames - 1, dim), "low": (dim,), "high": (dim,)}
        for name, shape in expected.items():
            if getattr(self, name).shape != shape or dim < 1:
                raise ValueError(f"{name} must have shape {shape}, got {tuple(getattr(self, name).shape)}")
        if self.action_block < 1 or dim % self.action_block:
            raise ValueError(
                f"action_block must be at least 1 and divide the {dim} dimensions of a model action, got "
                f"{self.action_block}; it is the world model's"
            )
        if self.memory_mib is not None and not self.memory_mib > 0:
            raise ValueError(f"memory_mib must be positive, got {self.memory_mib}")
        own = replace(
            self,
            **{
                name: getattr(self, name).detach().to(self.context.device, self.context.dtype).clone()
                for name in ("context", "past_actions", "goal", "low", "high")
            },
            # The free memory changes during a plan; its chunks should not.
            memory_mib=self.memory_mib or default_memory_mib(self.context.device),
        )
        if not (own.low.isfinite().all() and own.high.isfinite().all() and (own.low < own.high).all()):
            raise ValueError(
                f"action bounds must be finite with low < high, got {own.low.tolist()} and {own.high.tolist()}"
            )
        for name in ("context", "past_actions", "goal"):
            bad = ~getattr(own, name).isfinite().flatten(1).all(1)
            if bad.any():
                raise ValueError(f"{name} must be finite, got NaN or infinity in rows {bad.nonzero()[:, 0].tolist()}")
        device = next(_devices(own.model), own.context.device)
        if device != own.context.device:
            raise ValueError(
                f"the model is on {device}, the context on {own.context.device}; move one to the other's device"
            )
        with torch.no_grad():
            features = own.model.goal_features(own.context[:, -1])
        if own.goal.shape != features.shape:
            raise ValueError(
                f"goal must have the shape of the model's goal features, {tuple(features.shape)}, "
                f"got {tuple(own.goal.shape)}; encode it with the model's encode_goal"
            )
        return own


def _devices(model: PlanningModel) -> Iterator[torch.device]:
    """Devices of the model's tensors, if it is a module and has any."""
    if isinstance(model, nn.Module):
        for tensor in chain(model.parameters(), model.buffers()):
            yield tensor.device
