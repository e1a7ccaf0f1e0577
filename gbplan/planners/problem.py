"""What a planner is given: a model, an objective, where it stands and where it should go."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain
from typing import Protocol

import torch
from torch import Tensor, nn

from gbplan.networks.fused.constant_parameters import constant_parameters
from gbplan.networks.fused.gradients import goal_features_with_pullback, rollout_with_pullback
from gbplan.networks.fused.pullback import Pullback
from gbplan.objectives.gradients import cost_and_gradients, reads_last_only
from gbplan.objectives.objective import Objective
from gbplan.planners.cuda_graph import Replay, recorder_for


class PlanningModel(Protocol):
    """What planning needs of a world model; ``gbplan.networks.WorldModel`` has it."""

    def rollout(self, context: Tensor, past_actions: Tensor, actions: Tensor) -> Tensor:
        """Context ``(B, K, *D)``, past actions ``(B, K - 1, A)``, actions ``(B, H, A)`` to latents ``(B, H, *D)``."""

    def goal_features(self, latents: Tensor) -> Tensor:
        """Latents ``(..., *D)`` to goal space ``(..., *G)``."""


@dataclass(frozen=True)
class PlanningProblem:
    """B planning tasks under one model and one objective.

    B tasks, S candidates per task, H steps, K history frames, A action dimensions, *D latent and *G goal shape.

    Attributes:
        model: the world model; only read, never trained: costs have gradients for the actions, none for parameters.
        objective: cost of a predicted trajectory in goal space.
        context: latents of the last K observed frames, ``(B, K, *D)``.
        past_actions: actions between those frames, ``(B, K - 1, A)``, environment units.
        goal: what is to be achieved, ``(B, *G)``, goal space.
        low: lower action bounds, ``(A,)``.
        high: upper action bounds, ``(A,)``.
        chunk_rows: most candidate rows rolled out at once, which bounds memory; None: on a CPU 2,048, and 512 for
            ``cost_and_gradient``, which keeps the activations of all steps; 65,536 elsewhere.
    """

    model: PlanningModel
    objective: Objective
    context: Tensor
    past_actions: Tensor
    goal: Tensor
    low: Tensor
    high: Tensor
    chunk_rows: int | None = None

    @property
    def batch_size(self) -> int:
        """B, the number of tasks."""
        return self.context.shape[0]

    @property
    def action_dim(self) -> int:
        """A, the number of action dimensions."""
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
        # Bounds for the whole horizon: with those of one step, torch would go through the actions A at a time.
        low, high = (bound.expand(actions.shape[-2:]).contiguous() for bound in (self.low, self.high))
        return actions.clamp(low, high)

    def rollout(self, actions: Tensor) -> Tensor:
        """Roll out candidates ``(B, S, H, A)`` into what they achieve, ``(B, S, H, *G)``, in one piece."""
        batch, samples, horizon, dim = actions.shape
        rows = actions.reshape(batch * samples, horizon, dim)  # candidates become batch rows
        with constant_parameters():
            latents = self.model.rollout(
                self.context.repeat_interleave(samples, 0), self.past_actions.repeat_interleave(samples, 0), rows
            )
        self._require_shape(latents, batch * samples, horizon)
        achieved = self.model.goal_features(latents)
        return achieved.reshape(batch, samples, *achieved.shape[1:])

    def cost(self, actions: Tensor) -> Tensor:
        """Cost ``(B, S)`` of candidates ``(B, S, H, A)``, rolled out in chunks of at most ``chunk_rows`` rows.

        Raises:
            ValueError: the model or the objective returns another shape than it should.
        """
        return self.replay(self._cost, actions)[0]

    def cost_and_latents(self, actions: Tensor) -> tuple[Tensor, Tensor]:
        """Cost ``(B, S)`` of candidates ``(B, S, H, A)``, and the latents ``(B, S, H, *D)`` they lead through."""
        cost, latents = self.replay(self._cost_and_latents, actions)
        return cost, latents

    def cost_and_gradient(self, actions: Tensor) -> tuple[Tensor, Tensor]:
        """Cost ``(B, S)`` of candidates ``(B, S, H, A)``, and its gradient for them; both detached.

        One chunk goes forth and back before the next, so memory does not grow with the number of candidates.
        """
        cost, gradient = self.replay(self._cost_and_gradient, actions)
        return cost, gradient

    def step(self, latents: Tensor, actions: Tensor) -> tuple[Tensor, Pullback]:
        """Predict one step from latents ``(N, *D)`` and actions ``(N, A)``.

        Returns:
            The next latents, ``(N, *D)``, detached, and the way back: from their gradient to that of the actions.

        Raises:
            ValueError: the model returns another shape than it should.
        """
        one = actions[:, None]
        # A rollout of one step is a step, and where rollouts are fused it is the faster one.
        predicted, pullback = self._rollout_with_pullback(latents[:, None], one[:, :0], one)
        return predicted[:, 0], lambda gradient: pullback(gradient[:, None])[:, 0]

    @cached_property
    def replay(self) -> Replay:
        """Calls what a planner calls over and over, on a GPU without Python: ``problem.replay(function, *tensors)``."""
        return Replay(recorder_for(self.context.device), self.model)

    def _cost(self, actions: Tensor) -> tuple[Tensor, ...]:
        costs = [part._roll_out(rows)[0] for rows, part in self._chunks(actions, self._most_rows(actions))]
        return (_joined(costs).reshape(actions.shape[:2]),)

    def _cost_and_latents(self, actions: Tensor) -> tuple[Tensor, ...]:
        chunks = self._chunks(actions, self._most_rows(actions))
        costs, latents = zip(*(part._roll_out(rows) for rows, part in chunks), strict=True)
        return _joined(costs).reshape(actions.shape[:2]), _joined(latents).unflatten(0, actions.shape[:2])

    def _cost_and_gradient(self, actions: Tensor) -> tuple[Tensor, ...]:
        size = self._most_rows(actions, with_gradient=True)
        if actions.shape[1] == 1 and actions.shape[0] <= size:
            cost, gradient = self._roll_out_and_back(actions.squeeze(1))
            return cost.unsqueeze(1), gradient.unsqueeze(1)
        chunks = self._chunks(actions, size)
        costs, gradients = zip(*(part._roll_out_and_back(rows) for rows, part in chunks), strict=True)
        return _joined(costs).reshape(actions.shape[:2]), _joined(gradients).reshape(actions.shape)

    def _chunks(self, actions: Tensor, size: int) -> "Iterator[tuple[Tensor, PlanningProblem]]":
        """Cut candidates ``(B, S, H, A)`` into rows ``(R, H, A)``, R <= size, each with the problem of its task."""
        batch, samples, horizon, dim = actions.shape
        rows = actions.reshape(batch * samples, horizon, dim)
        if samples == 1 and batch <= size:
            yield rows, self
            return
        # Candidates of a task share its context, which is gathered per chunk.
        owner = torch.arange(batch, device=actions.device).repeat_interleave(samples)
        for start in range(0, len(rows), size):
            part = slice(start, start + size)
            yield rows[part], self.select(owner[part])

    def _most_rows(self, actions: Tensor, with_gradient: bool = False) -> int:
        if self.chunk_rows:
            return self.chunk_rows
        if not actions.is_cpu:
            return 2**16
        return 512 if with_gradient else 2048

    def _roll_out(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Cost ``(B,)`` and latents ``(B, H, *D)`` of one candidate per task, ``(B, H, A)``."""
        with constant_parameters():
            latents = self.model.rollout(self.context, self.past_actions, rows)
        self._require_shape(latents, *rows.shape[:2])
        cost = self.objective(self.model.goal_features(self._read(latents)), self.goal, rows)
        self._require_one_cost_per_row(cost, rows)
        return cost, latents

    def _roll_out_and_back(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Cost ``(B,)`` of one candidate per task, ``(B, H, A)``, and its gradient."""
        latents, to_actions = self._rollout_with_pullback(self.context, self.past_actions, rows)
        read = self._read(latents)
        achieved, to_latents = goal_features_with_pullback(self.model, read)
        cost, of_achieved, of_rows = cost_and_gradients(self.objective, achieved, self.goal, rows)
        self._require_one_cost_per_row(cost, rows)
        of_latents = to_latents(of_achieved)
        if read is not latents:
            of_latents = torch.cat([torch.zeros_like(latents[:, 1:]), of_latents], dim=1)
        gradient = to_actions(of_latents)
        return cost, gradient if of_rows is None else gradient + of_rows

    def _read(self, latents: Tensor) -> Tensor:
        """Those of the latents ``(B, H, *D)`` that the objective looks at."""
        return latents[:, -1:] if reads_last_only(self.objective) else latents

    def _rollout_with_pullback(self, context: Tensor, past_actions: Tensor, rows: Tensor) -> tuple[Tensor, Pullback]:
        latents, pullback = rollout_with_pullback(self.model, context, past_actions, rows)
        self._require_shape(latents, *rows.shape[:2])
        return latents, pullback

    def _require_one_cost_per_row(self, cost: Tensor, rows: Tensor) -> None:
        if cost.shape != rows.shape[:1]:
            raise ValueError(
                f"the objective {type(self.objective).__name__} must return one cost per row, of shape "
                f"{tuple(rows.shape[:1])}, got {tuple(cost.shape)}; it must not average over rows"
            )

    def _require_shape(self, latents: Tensor, rows: int, horizon: int) -> None:
        expected = (rows, horizon, *self.context.shape[2:])
        if latents.shape != expected:
            raise ValueError(
                f"the rollout of {type(self.model).__name__} must return latents of shape (rows, H, *D) = {expected}, "
                f"got {tuple(latents.shape)}; the context must not be among them"
            )

    def select(self, rows: Tensor) -> "PlanningProblem":
        """Select the tasks ``rows``: indices, or a mask ``(B,)``."""
        return replace(self, context=self.context[rows], past_actions=self.past_actions[rows], goal=self.goal[rows])

    def owned(self) -> "PlanningProblem":
        """Return a checked copy with tensors of its own, all of the context's dtype and on its device.

        Call it outside inference mode: a tensor born in inference mode can take no part in a gradient, its clone can.

        Raises:
            ValueError: a shape does not fit, there are no tasks, a value is not finite (the message names the rows),
                the action bounds are not finite or not in order, or the model lies on another device.
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
        own = replace(
            self,
            **{
                name: getattr(self, name).detach().to(self.context.device, self.context.dtype).clone()
                for name in ("context", "past_actions", "goal", "low", "high")
            },
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
            achieved = own.model.goal_features(own.context[:, -1])
        if own.goal.shape != achieved.shape:
            raise ValueError(
                f"goal must have the shape of the model's achieved goal, {tuple(achieved.shape)}, "
                f"got {tuple(own.goal.shape)}"
            )
        return own


def _joined(parts: tuple[Tensor, ...] | list[Tensor]) -> Tensor:
    """The parts one after the other; a single one is not copied."""
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def _devices(model: PlanningModel) -> Iterator[torch.device]:
    """Devices of the model's tensors, if it is a module and has any."""
    if isinstance(model, nn.Module):
        for tensor in chain(model.parameters(), model.buffers()):
            yield tensor.device
