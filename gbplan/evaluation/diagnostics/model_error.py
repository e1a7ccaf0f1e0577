"""How wrong a world model is along given trajectories."""

from dataclasses import dataclass
from math import prod

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gbplan.data import Trajectories
from gbplan.networks import WorldModel
from gbplan.networks.eval_mode import eval_mode

MEMORY = 2**28  # bytes of observations and latents at once


@dataclass(frozen=True)
class ModelError:
    """Errors along E episodes, counted in model steps; an episode too short for a single one has NaN.

    The distances are in the environment's goal space and units, between what the model's probe says of a prediction
    and the environment's ``achieved_goal``; None for a model without a probe. The latent errors are root mean squares
    over the dimensions of a latent, in standardised units, so they compare a model with itself only.

    Attributes:
        one_step: distance after one step from the true frames, mean over the episode, ``(E,)``.
        open_loop: distance in a rollout from the episode's first frame, mean over its first ``horizon`` steps or all
            the steps there are, ``(E,)``.
        by_step: distance in that rollout after 1, 2, ... steps, ``(E, H)`` or as many as the longest episode has; NaN
            after an episode's end.
        latent_one_step: latent error after one step, ``(E,)``.
        latent_open_loop: latent error in the rollout, ``(E,)``.
        horizon: H, the most steps of the rollout.
    """

    one_step: NDArray[np.float64] | None
    open_loop: NDArray[np.float64] | None
    by_step: NDArray[np.float64] | None
    latent_one_step: NDArray[np.float64]
    latent_open_loop: NDArray[np.float64]
    horizon: int


def model_error(world_model: WorldModel, trajectories: Trajectories, horizon: int = 25) -> ModelError:
    """Compare a model with what really happened, under the actions that were really taken.

    A model step is a block of environment steps; the rest of an episode that does not fill one is left out. At the
    start of an episode the history is warmed up as planning does it: the first frame again, and standing still.

    Args:
        world_model: the model; used in eval mode, its mode is restored.
        trajectories: E episodes.
        horizon: H, longest open-loop rollout, in model steps, >= 1.

    Returns:
        The errors.
    """
    longest = max(1, int(trajectories.lengths.max()) // world_model.action_block)
    steps = min(horizon, longest)
    keys = world_model.encoder.observation_keys
    seen = sum(trajectories.observations[key][0].nbytes for key in keys)
    per_episode = (longest + 1) * (4 * seen + 16 * prod(world_model.latent_shape))
    parts = []
    with torch.no_grad(), eval_mode(world_model):
        for episodes in np.array_split(np.arange(len(trajectories)), -(-len(trajectories) * per_episode // MEMORY)):
            parts.append(_errors(world_model, trajectories, episodes, longest, steps))
    columns = [None if part[0] is None else np.concatenate(part) for part in zip(*parts, strict=True)]
    one_step, open_loop, by_step, latent_one_step, latent_open_loop = columns
    assert latent_one_step is not None
    assert latent_open_loop is not None
    return ModelError(one_step, open_loop, by_step, latent_one_step, latent_open_loop, horizon)


def _errors(
    model: WorldModel, trajectories: Trajectories, episodes: NDArray[np.int64], longest: int, steps: int
) -> tuple[NDArray[np.float64] | None, ...]:
    """The columns of ``ModelError`` for some of the episodes, their rollouts side by side."""
    history, block, like = model.history, model.action_block, model.normalizer.latent_mean
    starts, lengths = trajectories.starts[episodes, None], trajectories.lengths[episodes, None] // block
    # The first frame K times, then the ends of blocks; short episodes are padded by their last one: (E, K + M)
    ends = np.concatenate([np.zeros(history - 1, np.int64), np.arange(longest + 1)])
    frames = starts + block * np.minimum(ends, lengths)
    observations = {}
    for key in model.encoder.observation_keys:
        values = torch.as_tensor(trajectories.observations[key][frames])
        observations[key] = values.to(like.device) if values.dtype == torch.uint8 else values.to(like)
    # The actions of each block side by side, and none before the start: (E, K - 1 + M, A')
    taken = starts[:, :, None] + np.minimum(
        block * np.arange(longest)[:, None] + np.arange(block), trajectories.lengths[episodes, None, None] - 1
    )
    actions = torch.as_tensor(trajectories.actions[taken]).flatten(2).to(like)
    still = actions.new_zeros(len(episodes), history - 1, actions.shape[2])
    actions = torch.cat([still, actions], dim=1)

    latents = model.encode(observations)
    one_step = model.sequence(latents[:, :-1], actions)
    past = history - 1
    rolled = model.rollout(latents[:, :history], actions[:, :past], actions[:, past : past + steps])
    true = latents[:, history:]
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


def _mean(error: Tensor, there: Tensor) -> NDArray[np.float64]:
    """Mean of each row over the steps that are there; after an episode's end a rollout may overflow."""
    mean: NDArray[np.float64] = (torch.where(there, error, 0.0).sum(1) / there.sum(1)).cpu().numpy()
    return mean
