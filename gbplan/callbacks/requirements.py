"""Requirements of callbacks that plan: on the module, the tasks and the environment."""

from contextlib import closing
from dataclasses import replace

import gymnasium as gym
import lightning as L

from gbplan.data import make_vector_env
from gbplan.envs.contract import env_spec, time_limit
from gbplan.evaluation.diagnostics.model_error import require_within_episodes
from gbplan.evaluation.task_set import Split, TaskSet
from gbplan.networks import WorldModel
from gbplan.networks.compiled import require_own_names
from gbplan.policies import Agent
from gbplan.policies.fitting import require_fitting


def require_world_model(callback: L.Callback, pl_module: L.LightningModule) -> WorldModel:
    """Return the module's world model.

    Args:
        callback: the callback that plans, for the message.
        pl_module: the module in training.

    Raises:
        TypeError: the module has none, or ``torch.compile`` has wrapped it.
    """
    require_own_names(pl_module)
    model = getattr(pl_module, "world_model", None)
    if not isinstance(model, WorldModel):
        raise TypeError(
            f"{type(callback).__name__} plans with the module's world_model, which {type(pl_module).__name__} lacks; "
            "train a WorldModelModule, or give yours that attribute"
        )
    return model


def require_split(callback: L.Callback, tasks: TaskSet, split: Split) -> None:
    """Check that tasks are of the split that the callback may use.

    Args:
        callback: the callback, for the message.
        tasks: its tasks.
        split: the split that it may use.

    Raises:
        ValueError: they are of another split.
    """
    if tasks.split != split:
        raise ValueError(
            f"{type(callback).__name__} must have tasks of the {split} split, got {tasks.split}; set tasks.split"
        )


def placed_in(trainer: L.Trainer, tasks: TaskSet) -> TaskSet:
    """Complete tasks with their environment: the one named, or else the one of the training data.

    Args:
        trainer: the trainer, whose data module has read the datasets.
        tasks: with env_id None, the datasets' environment, with the arguments of collection except those given.

    Returns:
        The tasks, with the id of their environment.

    Raises:
        ValueError: no environment is named, and the datasets' is not recorded, not registered, or wrapped.
    """
    if tasks.env_id is not None:
        return tasks
    spec = getattr(getattr(trainer, "datamodule", None), "env_spec", None)
    if spec is None:
        raise ValueError("the datasets do not say which environment they were collected in; name it with env_id")
    registered = gym.registry.get(spec.id)
    if registered is None:
        raise ValueError(
            f"the datasets were collected in {spec.id}, which is not registered here; name it with its module, "
            f'env_id="my_module:{spec.id}"'
        )
    # gymnasium.make records a class that is itself a wrapper as a wrapper, too.
    if spec.additional_wrappers != env_spec(spec.id, spec.kwargs).additional_wrappers:
        raise ValueError(
            f"the datasets were collected in {spec.id} with wrappers around it, which cannot be repeated here; "
            "register the wrapped environment, or name one with env_id"
        )
    # Callbacks choose the kinds of tasks.
    recorded = {name: value for name, value in spec.kwargs.items() if name not in ("task", "render_mode")}
    if spec.max_episode_steps != registered.max_episode_steps:
        recorded["max_episode_steps"] = -1 if spec.max_episode_steps is None else spec.max_episode_steps
    return replace(tasks, env_id=spec.id, env_kwargs=recorded | (tasks.env_kwargs or {}))


def require_plannable(tasks: TaskSet, agent: Agent, world_model: WorldModel, error_horizon: int) -> int:
    """Check that an agent can plan tasks through the model in training, and that ``error_horizon`` fits them.

    Args:
        tasks: tasks with the id of their environment.
        agent: the agent.
        world_model: the model in training.
        error_horizon: longest rollout for the model's open-loop error, model steps.

    Returns:
        The environment steps after which an episode ends at the latest.

    Raises:
        TypeError: observations lack what the encoder reads.
        ValueError: the environment has no time limit, or model, agent and error horizon do not fit it.
    """
    limit = time_limit(tasks.require_env_id(), tasks.env_kwargs)
    with closing(make_vector_env(tasks.require_env_id(), 1, tasks.env_kwargs)) as envs:
        require_fitting(world_model, agent, envs, limit)
    require_within_episodes(error_horizon, limit, world_model.action_block)
    return limit
