"""Checks that a model and an agent fit an environment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import gymnasium as gym
import numpy as np
import torch
from torch import Tensor

from gbplan.networks.eval_mode import eval_mode
from gbplan.networks.world_model import WorldModel

if TYPE_CHECKING:
    from gbplan.policies.agent import Agent


def require_fitting(
    world_model: WorldModel, agent: Agent, envs: gym.vector.VectorEnv, time_limit: int | None = None
) -> None:
    """Check that an agent can plan through a model in an environment.

    Args:
        world_model: the model to plan through.
        agent: the agent.
        envs: the environment; only its spaces are read, it is not reset.
        time_limit: environment steps after which its episodes end; None: there is no limit.

    Raises:
        TypeError: observations lack what the encoder reads.
        ValueError: the model's sizes are not the environment's, its weights are not finite, or its history or the
            agent's plans are longer than an episode.
    """
    model, space = world_model, envs.single_observation_space
    keys = (*model.encoder.observation_keys, *model.encoder.goal_keys)
    if not isinstance(space, gym.spaces.Dict) or not set(keys) <= set(space.spaces):
        there = ", ".join(space.spaces) if isinstance(space, gym.spaces.Dict) else space
        raise TypeError(
            f"{type(model.encoder).__name__} reads {' and '.join(map(repr, keys))}, the environment's observations are "
            f"{there}; use a model trained on this environment"
        )
    actions = envs.single_action_space.shape
    if actions != (model.env_action_dim,):
        raise ValueError(
            f"the environment's actions have shape {actions}, the world model's ({model.env_action_dim},); "
            "use a model trained on this environment"
        )
    for name, tensor in model.state_dict().items():
        if not torch.isfinite(tensor).all():
            raise ValueError(
                f"the world model's {name} holds NaN or infinity; train it again, or load another checkpoint"
            )
    with eval_mode(model), torch.no_grad():
        _require_shapes(model, space, keys)
    if time_limit is not None:
        _require_within(time_limit, model, agent)


def _require_shapes(model: WorldModel, space: gym.spaces.Dict, keys: Sequence[str]) -> None:
    encoder, like = model.encoder, model.normalizer.latent_mean
    blank: dict[str, Tensor] = {}
    for key in keys:
        values = torch.zeros(1, *(space[key].shape or ()), device=like.device)
        blank[key] = values.to(torch.uint8 if space[key].dtype == np.uint8 else like.dtype)
    seen = " and ".join(f"{key!r} has shape {space[key].shape}" for key in encoder.observation_keys)
    try:
        latent = encoder.encode(blank)
        goal, achieved = encoder.encode_goal(blank), encoder.goal_features(latent)
    except RuntimeError as error:  # torch's error, which has no names
        raise ValueError(
            f"{type(encoder).__name__} cannot encode the environment's observations ({str(error).splitlines()[0]}): "
            f"{seen}; use a model trained on this environment"
        ) from None
    if latent.shape[1:] != model.latent_shape:
        raise ValueError(
            f"the environment's {seen}, encoded {tuple(latent.shape[1:])}, but the world model's latents have "
            f"{model.latent_shape}; use a model trained on this environment"
        )
    if goal.shape != achieved.shape:
        raise ValueError(
            f"the environment's goals have shape {tuple(goal.shape[1:])}, the world model's "
            f"{tuple(achieved.shape[1:])}; use a model trained on this environment, with the goal's place in the state "
            "as goal_indices of its encoder"
        )
    goals = space["achieved_goal"].shape if "achieved_goal" in space.spaces else None
    if model.has_probe and goals and (told := tuple(model.achieved_goal(latent).shape[1:])) != goals:
        raise ValueError(
            f"the world model's probe predicts goals of shape {told}, the environment's achieved_goal has {goals}; "
            "use a model trained on this environment"
        )


def _require_within(time_limit: int, model: WorldModel, agent: Agent) -> None:
    block, horizon = model.action_block, agent.planner.horizon
    each = "" if block == 1 else f" of {block} environment steps each"
    if (model.history - 1) * block >= time_limit:
        raise ValueError(
            f"the world model looks at {model.history} frames, {model.history - 1} model steps{each} apart, but an "
            f"episode ends after {time_limit} steps; use a model with a shorter history, or raise max_episode_steps"
        )
    if horizon * block > time_limit:
        raise ValueError(
            f"the planner's horizon of {horizon} model steps{each} exceeds the time limit of {time_limit} steps; "
            "lower the horizon"
        )
