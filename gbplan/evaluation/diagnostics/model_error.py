"""Prediction errors of a world model along given trajectories."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from math import prod
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gbplan.data import Trajectories
from gbplan.networks import WorldModel
from gbplan.networks.eval_mode import eval_mode
from gbplan.networks.predictor import stretches
from gbplan.planners.observations import cast_observation

MEMORY = 2**28  # bytes of latents, and of the predictor's activations, at once
ENCODED = 256  # frames encoded at once; the encoder's activations may take many times a frame's memory


@dataclass(frozen=True)
class ModelError:
    """Errors along E episodes, counted in model steps; an episode too short for a single one has NaN.

    The distances are in the environment's goal space and units, between the model's probe of a prediction and the
    environment's ``achieved_goal``; None for a model without a probe. The latent errors are root mean squares over the
    dimensions of a latent, in standardised units, so they cannot be compared between models.

    Attributes:
        one_step: distance after one step from the true frames, mean over the episode, ``(E,)``.
        open_loop: distance in a rollout from the episode's first frame, mean over its first ``horizon`` steps, or all
            steps if fewer, ``(E,)``.
        by_step: distance in that rollout after 1, 2, ... steps, ``(E, H)``, or fewer columns if no episode has H steps;
            NaN after an episode's end.
        latent_one_step: latent error after one step, ``(E,)``.
        latent_open_loop: latent error in the rollout, ``(E,)``.
        horizon: H, upper limit of the rollout's steps.
    """

    one_step: NDArray[np.float64] | None
    open_loop: NDArray[np.float64] | None
    by_step: NDArray[np.float64] | None
    latent_one_step: NDArray[np.float64]
    latent_open_loop: NDArray[np.float64]
    horizon: int

    def select(self, episodes: NDArray[np.integer]) -> "ModelError":
        """Return the errors along these episodes, in this order."""
        columns = {name: None if column is None else column[episodes] for name, column in self._columns().items()}
        return ModelError(horizon=self.horizon, **columns)  # type: ignore[arg-type]

    @staticmethod
    def concatenate(parts: "Sequence[ModelError]") -> "ModelError":
        """Put the errors of several sets of episodes together, measured with one model and horizon."""
        steps = max(0 if part.by_step is None else part.by_step.shape[1] for part in parts)
        columns: dict[str, Any] = {name: [part._columns()[name] for part in parts] for name in parts[0]._columns()}
        for name, column in columns.items():
            if name == "by_step" and column[0] is not None:
                column = [np.pad(part, ((0, 0), (0, steps - part.shape[1])), constant_values=np.nan) for part in column]
            columns[name] = None if column[0] is None else np.concatenate(column)
        return ModelError(horizon=parts[0].horizon, **columns)

    def _columns(self) -> dict[str, NDArray[np.float64] | None]:
        return {each.name: getattr(self, each.name) for each in fields(self) if each.name != "horizon"}


ERROR_HORIZON = 25
"""Default length of a rollout in model steps; fewer if episodes are shorter."""


def require_within_episodes(error_horizon: int, time_limit: int, action_block: int) -> None:
    """Check that a rollout of the requested length fits into an episode.

    Args:
        error_horizon: model steps; ``ERROR_HORIZON`` is cut to the episode.
        time_limit: environment steps after which episodes end.
        action_block: environment steps in a model step.

    Raises:
        ValueError: the rollout is longer than an episode.
    """
    longest = time_limit // action_block
    if error_horizon > max(ERROR_HORIZON, longest):
        raise ValueError(
            f"error_horizon must not exceed the {longest} model steps of an episode, got {error_horizon}; lower it"
        )


Bounds = tuple[NDArray[np.floating], NDArray[np.floating]]


def model_error(
    world_model: WorldModel, trajectories: Trajectories, horizon: int = 25, bounds: Bounds | None = None
) -> ModelError:
    """Compare a model's predictions with executed episodes, under the executed actions.

    A model step is a block of environment steps; the rest of an episode that does not fill one is left out. At the
    start of an episode the history is filled as in planning: with the first frame and zero actions.

    Args:
        world_model: the model; used in eval mode, its mode is restored.
        trajectories: E episodes.
        horizon: H, longest open-loop rollout, in model steps, >= 1.
        bounds: lowest and highest environment action, ``(A,)`` each, which may be infinite; if zero is outside, the
            nearest bound takes its place. None: zero is within the bounds.

    Returns:
        The errors.
    """
    longest = max(1, int(trajectories.lengths.max()) // world_model.action_block)
    steps = min(horizon, longest)
    predictor = world_model.predictor
    per_episode = 16 * (longest + predictor.history) * prod(world_model.latent_shape) + 4 * predictor.activation_size
    count = min(len(trajectories), -(-len(trajectories) * per_episode // MEMORY))
    parts = []
    with torch.no_grad(), eval_mode(world_model):
        for episodes in np.array_split(np.arange(len(trajectories)), count):
            parts.append(_errors(world_model, trajectories, episodes, longest, steps, bounds))
    columns = [None if part[0] is None else np.concatenate(part) for part in zip(*parts, strict=True)]
    one_step, open_loop, by_step, latent_one_step, latent_open_loop = columns
    assert latent_one_step is not None
    assert latent_open_loop is not None
    return ModelError(one_step, open_loop, by_step, latent_one_step, latent_open_loop, horizon)


def _errors(
    model: WorldModel,
    trajectories: Trajectories,
    episodes: NDArray[np.int64],
    longest: int,
    steps: int,
    bounds: Bounds | None,
) -> tuple[NDArray[np.float64] | None, ...]:
    """The columns of ``ModelError`` for some of the episodes, rolled out together."""
    history, like = model.history, model.normalizer.latent_mean
    frames, actions = model_steps(model, trajectories, episodes, longest, bounds)
    latents = encode_frames(model, trajectories, frames)
    one_step = _one_step(model, latents[:, :-1], actions)
    past = history - 1
    rolled = model.rollout(latents[:, :history], actions[:, :past], actions[:, past : past + steps])
    true = latents[:, history:]
    lengths = trajectories.lengths[episodes, None] // model.action_block
    there = torch.arange(longest, device=like.device) < torch.as_tensor(lengths, device=like.device)  # (E, M)
    found: list[NDArray[np.float64] | None] = [None, None, None]
    if model.has_probe:
        reached = torch.as_tensor(trajectories.observations["achieved_goal"][frames[:, history:]]).to(like)
        apart_once, apart = (
            (model.achieved_goal(predicted) - reached[:, : predicted.shape[1]]).flatten(2).double().norm(dim=-1)
            for predicted in (one_step, rolled)
        )
        by_step = torch.where(there[:, :steps], apart, torch.nan).cpu().numpy()
        found = [_mean(apart_once, there), _mean(apart, there[:, :steps]), by_step]
    latent_errors = [
        (predicted - true[:, : predicted.shape[1]]).flatten(2).double().square().mean(2).sqrt()
        for predicted in (one_step, rolled)
    ]
    return (*found, _mean(latent_errors[0], there), _mean(latent_errors[1], there[:, :steps]))


def model_steps(
    model: WorldModel, trajectories: Trajectories, episodes: NDArray[np.int64], steps: int, bounds: Bounds | None
) -> tuple[NDArray[np.int64], Tensor]:
    """Lay out episodes in model steps, with the history that they are planned with at their start.

    Args:
        model: the model, for its history K and its action block.
        trajectories: the executed episodes.
        episodes: indices of the episodes, ``(E,)``.
        steps: M, model steps; shorter episodes are filled up with their last frame and action.
        bounds: see ``model_error``.

    Returns:
        Frames, the first one K times and then the ends of blocks, ``(E, K + M)``; and the actions of each block side by
        side, after K - 1 zero actions, ``(E, K - 1 + M, A')``.
    """
    history, block, like = model.history, model.action_block, model.normalizer.latent_mean
    starts, lengths = trajectories.starts[episodes, None], trajectories.lengths[episodes, None] // block
    ends = np.concatenate([np.zeros(history - 1, np.int64), np.arange(steps + 1)])
    frames = starts + block * np.minimum(ends, lengths)
    taken = starts[:, :, None] + np.minimum(
        block * np.arange(steps)[:, None] + np.arange(block), trajectories.lengths[episodes, None, None] - 1
    )
    actions = torch.as_tensor(trajectories.actions[taken]).flatten(2).to(like)
    still = np.zeros(model.env_action_dim, np.float32)
    if bounds is not None:
        still = np.clip(still, *bounds)
    before = torch.as_tensor(still).to(like).repeat(block).expand(len(episodes), history - 1, -1)
    return frames, torch.cat([before, actions], dim=1)


def encode_frames(model: WorldModel, trajectories: Trajectories, frames: NDArray[np.int64]) -> Tensor:
    """Latents of frames ``(E, T)``, ``(E, T, *D)``."""
    like = model.normalizer.latent_mean
    latents = []
    for rows in np.array_split(frames.ravel(), -(-frames.size // ENCODED)):
        observations = {key: trajectories.observations[key][rows] for key in model.encoder.observation_keys}
        cast = {key: cast_observation(torch.as_tensor(values), like) for key, values in observations.items()}
        latents.append(model.encode(cast))
    return torch.cat(latents).unflatten(0, frames.shape)


def _one_step(model: WorldModel, latents: Tensor, actions: Tensor) -> Tensor:
    """``model.step`` from every K frames, as many at once as their activations fit the memory."""
    windows, past = latents.shape[1] - model.history + 1, model.history - 1
    at_once = max(1, MEMORY // (4 * model.predictor.activation_size * len(latents)))
    found = []
    for start in range(0, windows, at_once):
        there = slice(start, min(start + at_once, windows) + past)
        found.append(model.step(*(stretches(values[:, there], model.history) for values in (latents, actions))))
    return torch.cat(found, dim=1)


def _mean(error: Tensor, there: Tensor) -> NDArray[np.float64]:
    """Mean of each row over its episode's steps; after an episode's end a rollout may overflow."""
    mean: NDArray[np.float64] = (torch.where(there, error, 0.0).sum(1) / there.sum(1)).cpu().numpy()
    return mean
