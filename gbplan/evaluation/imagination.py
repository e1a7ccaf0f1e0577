"""A model's imagination of an episode, as pictures beside the executed frames."""

from contextlib import closing
from typing import Any

import gymnasium as gym
import numpy as np
import torch

from gbplan.data import Trajectories, make_vector_env, run_episodes
from gbplan.evaluation.diagnostics.model_error import encode_frames, model_steps
from gbplan.evaluation.playback import FixedActions
from gbplan.evaluation.task_set import Tasks
from gbplan.networks import WorldModel
from gbplan.networks.eval_mode import eval_mode
from gbplan.plots import Frames, plot_frames


def imagined_frames(
    world_model: WorldModel, tasks: Tasks, trajectories: Trajectories, horizon: int = 25
) -> Frames | None:
    """Decode an open-loop rollout of the first episode's actions, beside its frames.

    The pictures of an evaluation are not kept, so the episode is run again: the same state, seed and actions.

    Args:
        world_model: used in eval mode, its mode is restored.
        tasks: N tasks.
        trajectories: their episodes.
        horizon: longest rollout, model steps.

    Returns:
        The pictures; None for a model without a decoder, an episode shorter than a model step, or an environment that
        shows no pictures of the decoder's size.
    """
    decoder = world_model.decoder
    if decoder is None:
        return None
    block, history, steps = world_model.action_block, world_model.history, int(trajectories.lengths[0])
    if steps < block:
        return None
    keys = (*world_model.encoder.observation_keys, decoder.pixels_key)
    with closing(make_vector_env(tasks.env_id, 1, tasks.env_kwargs)) as envs:
        again = run_episodes(
            envs,
            FixedActions(trajectories.actions[None, :steps]),
            seeds=tasks.seeds[:1].tolist(),
            states=tasks.states[:1],
            goals=tasks.goals[:1],
            max_steps=steps,
            keys=[*dict.fromkeys(keys)],
        )
        space = envs.single_action_space
    shown = again.observations.get(decoder.pixels_key)
    if shown is None or shown.shape[1:] != decoder.picture_shape:
        return None
    bounds = (space.low, space.high) if isinstance(space, gym.spaces.Box) else None
    count = min(horizon, steps // block)
    with torch.no_grad(), eval_mode(world_model):
        frames, taken = model_steps(world_model, again, np.array([0]), count, bounds)
        context, past = encode_frames(world_model, again, frames[:, :history]), history - 1
        rolled = world_model.rollout(context, taken[:, :past], taken[:, past : past + count])
        imagined = decoder.decode(torch.cat([context[:, -1:], rolled], dim=1))[0]
    return Frames(
        again.observations[decoder.pixels_key][frames[0, past:]],
        imagined.cpu().numpy(),
        block * np.arange(count + 1),
    )


def imagination_figure(world_model: WorldModel, tasks: Tasks, trajectories: Trajectories, horizon: int = 25) -> Any:
    """Draw ``imagined_frames``, a matplotlib figure; None where there are none."""
    frames = imagined_frames(world_model, tasks, trajectories, horizon)
    return None if frames is None else plot_frames({"": frames})
