"""What a callback that plans needs of the training it is part of."""

from typing import Any

import gymnasium as gym
import lightning as L

from gbplan.envs.offers import env_spec, time_limit
from gbplan.networks import WorldModel
from gbplan.planners import Planner


def require_world_model(callback: L.Callback, pl_module: L.LightningModule) -> WorldModel:
    """Return the module's world model.

    Raises:
        TypeError: it has none.
    """
    model = getattr(pl_module, "world_model", None)
    if not isinstance(model, WorldModel):
        raise TypeError(
            f"{type(callback).__name__} plans with the module's world_model, which {type(pl_module).__name__} lacks; "
            "train a WorldModelModule, or give yours that attribute"
        )
    return model


def environment_of(
    trainer: L.Trainer, env_id: str | None, env_kwargs: dict[str, Any] | None
) -> tuple[str, dict[str, Any]]:
    """Return the environment to execute in: the one that is named, or the one the training data come from.

    Args:
        trainer: whose data module has read its datasets.
        env_id: its id; None: that of the datasets, made with the arguments they were collected with.
        env_kwargs: the arguments of a named one; for the datasets', those that differ.

    Returns:
        Its id and arguments.

    Raises:
        ValueError: none is named, and the datasets do not say theirs, it is not registered, or was wrapped.
    """
    if env_id is not None:
        return env_id, dict(env_kwargs or {})
    spec = getattr(getattr(trainer, "datamodule", None), "env_spec", None)
    if spec is None:
        raise ValueError("the datasets do not say which environment they were collected in; name it with env_id")
    registered = gym.registry.get(spec.id)
    if registered is None:
        raise ValueError(
            f"the datasets were collected in {spec.id}, which is not registered here; name it with its module, "
            f'env_id="my_module:{spec.id}"'
        )
    # A class that is itself a wrapper is recorded as one, by gymnasium.make as well.
    if spec.additional_wrappers != env_spec(spec.id, spec.kwargs).additional_wrappers:
        raise ValueError(
            f"the datasets were collected in {spec.id} with wrappers around it, which cannot be repeated here; "
            "register the wrapped environment, or name one with env_id"
        )
    # Callbacks choose the kinds of tasks.
    recorded = {name: value for name, value in spec.kwargs.items() if name not in ("task", "render_mode")}
    if spec.max_episode_steps != registered.max_episode_steps:
        recorded["max_episode_steps"] = -1 if spec.max_episode_steps is None else spec.max_episode_steps
    return spec.id, recorded | (env_kwargs or {})


def require_time_limit(env_id: str, env_kwargs: dict[str, Any], planner: Planner) -> int:
    """Return the steps after which an episode ends at the latest.

    Raises:
        ValueError: there is no such limit, or the planner plans beyond it.
    """
    limit = time_limit(env_id, env_kwargs)
    if planner.horizon > limit:
        raise ValueError(
            f"the planner's horizon of {planner.horizon} steps exceeds the time limit of {env_id}, {limit} steps; "
            "lower the horizon"
        )
    return limit
