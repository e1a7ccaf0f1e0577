"""Converts observations into the tensors of a planning problem."""

from collections.abc import Mapping

import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from gbplan.networks.world_model import WorldModel


def read_observations(
    model: WorldModel,
    observations: Mapping[str, NDArray | Tensor],
    past_actions: NDArray | Tensor | None,
    bounds: tuple[ArrayLike | Tensor, ArrayLike | Tensor],
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Encode frames and goals, and fill the history; see ``PlanningProblem.from_observations``.

    Returns:
        Context ``(B, K, *D)``, past actions ``(B, K - 1, A)``, goal ``(B, *G)``, and the bounds of a model action,
        ``(A,)`` each.
    """
    encoder, like = model.encoder, model.normalizer.action_mean
    low, high = (_tiled(bound, model, like) for bound in bounds)
    given = {key: _entry(observations, key, model) for key in (*encoder.observation_keys, *encoder.goal_keys)}
    leads = {key: tuple(values.shape[:2]) for key, values in given.items()}
    lead = next(iter(leads.values()))
    if len(lead) < 2 or len(set(leads.values())) > 1:
        raise ValueError(f"all observations must be of the same tasks and frames, (B, k, ...), got (B, k) = {leads}")
    batch, seen = lead
    if not 1 <= seen <= model.history:
        raise ValueError(f"the model looks at 1 to {model.history} frames, got {seen}; give it the last ones")
    with torch.no_grad():
        context = model.encode({key: cast_observation(given[key], like) for key in encoder.observation_keys})
        goal = model.encode_goal({key: cast_observation(given[key][:, -1], like) for key in encoder.goal_keys})
    missing = model.history - seen
    context = torch.cat([context[:, :1].expand(-1, missing, *context.shape[2:]), context], dim=1)
    still = low.new_zeros(low.shape).clamp(low, high)
    if past_actions is None:
        past_actions = still.expand(batch, seen - 1, -1)
    past = torch.as_tensor(past_actions).to(like)
    if past.shape != (batch, seen - 1, len(low)):
        raise ValueError(
            f"past_actions must have shape (B, k - 1, A) = {(batch, seen - 1, len(low))}, model actions between "
            f"{seen} frames, got {tuple(past.shape)}"
        )
    past = torch.cat([still.expand(batch, missing, -1), past], dim=1)
    return context, past, goal, low, high


def _entry(observations: Mapping[str, NDArray | Tensor], key: str, model: WorldModel) -> Tensor:
    if key not in observations:
        raise ValueError(
            f"{type(model.encoder).__name__} reads {key!r}, which the observations lack; they have "
            f"{sorted(observations)}"
        )
    return torch.as_tensor(observations[key])


def cast_observation(values: Tensor, like: Tensor) -> Tensor:
    """Move an observation to the model's device and dtype; pictures stay uint8, which the encoder scales."""
    return values.to(like.device) if values.dtype == torch.uint8 else values.to(like)


def _tiled(bound: ArrayLike | Tensor, model: WorldModel, like: Tensor) -> Tensor:
    """Repeat an environment action's bounds, ``(A / n,)``, for each action of a block, ``(A,)``."""
    given = torch.as_tensor(bound).to(like)
    if given.shape != (model.env_action_dim,):
        raise ValueError(
            f"bounds must be of an environment action, of shape {(model.env_action_dim,)}, got {tuple(given.shape)}"
        )
    return given.repeat(model.action_block)
