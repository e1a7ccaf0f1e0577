"""Planning on the environment itself: a perfect model, as an upper bound for learned ones."""

from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from functools import cached_property
from multiprocessing import get_context
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from gymnasium.spaces import Dict, flatdim
from numpy.typing import NDArray
from torch import Tensor
from torch.autograd.function import once_differentiable

from gbplan.data import make_vector_env
from gbplan.networks import Encoder, Predictor, WorldModel

AT_ONCE = 256
"""Rows that a process steps together."""


class StateAndGoal(Encoder):
    """The latent is the state and its achieved goal, side by side."""

    observation_keys = ("observation", "achieved_goal")
    exact_goals = True

    def __init__(self, state_size: int, goal_size: int) -> None:
        """Set the sizes of a state and of a goal."""
        super().__init__()
        self.latent_shape = (state_size + goal_size,)
        self.state_size = state_size

    def encode(self, observations: Mapping[str, Tensor]) -> Tensor:
        """Concatenate both."""
        return torch.cat([observations[key] for key in self.observation_keys], dim=-1)

    def encode_goal(self, observations: Mapping[str, Tensor]) -> Tensor:
        """Return the desired goal itself."""
        return observations["desired_goal"]

    def goal_features(self, latent: Tensor) -> Tensor:
        """Return the achieved goal."""
        return latent[..., self.state_size :]


class EnvironmentDynamics(Predictor):
    """Steps of the environment, which is set to each row's state first; worker processes share the rows.

    It has no gradient. The environment's noise stays, if there is any.
    """

    def __init__(self, env_id: str, env_kwargs: dict[str, Any], sizes: tuple[int, int, int], workers: int = 1) -> None:
        """Prepare to step an environment.

        Args:
            env_id: registered id, of an environment that sets states.
            env_kwargs: its arguments.
            sizes: dimensions of its state, of its goals and of its actions.
            workers: processes that step it, >= 1; with 1 this process steps it.
        """
        super().__init__()
        self._world = env_id, tuple(sorted(env_kwargs.items()))
        self._state_size, goal_size, self.action_dim = sizes
        self.latent_shape = (self._state_size + goal_size,)
        self._workers = workers

    @cached_property
    def _pool(self) -> ProcessPoolExecutor:
        # Not forked: a fork would copy torch's threads in the middle of their work.
        return ProcessPoolExecutor(self._workers, mp_context=get_context("spawn"))

    def forward(self, latents: Tensor, actions: Tensor) -> Tensor:
        """Step every row; see ``Predictor``."""
        stepped: Tensor = _Step.apply(self, latents[:, -1], actions[:, -1])
        return stepped

    def stepped(self, latents: NDArray[np.float32], actions: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the latents ``(B, D)`` one step after ``latents`` ``(B, D)``, under actions ``(B, A)``."""
        size = min(AT_ONCE, -(-len(latents) // self._workers))
        parts = [slice(start, start + size) for start in range(0, len(latents), size)]
        given = [(self._world, latents[part], actions[part], self._state_size) for part in parts]
        steps = [self._pool.submit(_step_rows, *each).result for each in given] if self._workers > 1 else []
        done = [step() for step in steps] if steps else [_step_rows(*each) for each in given]
        return np.concatenate(done)


class _Step(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, dynamics: EnvironmentDynamics, latents: Tensor, actions: Tensor) -> Tensor:
        rows = (part.detach().cpu().float().numpy() for part in (latents, actions))
        return torch.from_numpy(dynamics.stepped(*rows)).to(latents)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        raise ValueError(
            "an environment has no gradients to plan with; plan through it with a planner that samples, such as "
            "CEMPlanner, or through a trained model"
        )


_rows: dict[Any, gym.vector.VectorEnv] = {}  # this process's environments, by world and number of rows


def _step_rows(world: Any, latents: NDArray[np.float32], actions: NDArray[np.float32], size: int) -> NDArray:
    """Set rows to their states, and step them once."""
    (env_id, kwargs), count = world, len(latents)
    if (key := (repr(world), count)) not in _rows:
        _rows[key] = make_vector_env(env_id, count, dict(kwargs))
        _rows[key].reset(seed=0)
    envs = _rows[key]
    envs.reset(options={"state": latents[:, :size], "goal": latents[:, size:]})
    seen = envs.step(actions)[0]
    return np.concatenate([seen["observation"], seen["achieved_goal"]], axis=1)


def simulate(env_id: str, env_kwargs: dict[str, Any], workers: int = 1) -> WorldModel:
    """Make a world model of an environment: its own steps.

    Args:
        env_id: registered id, of an environment that keeps the contract of ``gbplan.envs.contract``.
        env_kwargs: its arguments.
        workers: processes that step it.
    """
    with gym.make(env_id, **env_kwargs) as env:
        seen, acts = env.observation_space, env.action_space
        assert isinstance(seen, Dict)
        state, goal, action = (flatdim(space) for space in (seen["observation"], seen["achieved_goal"], acts))
    dynamics = EnvironmentDynamics(env_id, env_kwargs, (state, goal, action), workers)
    model = WorldModel(StateAndGoal(state, goal), dynamics)
    model.normalizer.fitted.fill_(True)  # the identity: steps are in environment units
    return model
