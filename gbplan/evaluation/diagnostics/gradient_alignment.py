"""Gradient alignment: the angle between a world model's gradients and the true ones."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import gymnasium as gym
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gbplan.evaluation.playback import play_back
from gbplan.evaluation.task_set import Tasks
from gbplan.networks import WorldModel
from gbplan.networks.eval_mode import eval_mode
from gbplan.objectives import GoalMSE
from gbplan.planners import PlanningProblem
from gbplan.policies.action_bounds import action_bounds

HORIZONS = (1, 5, 10, 25, 50)

# A true gradient this much smaller than the largest of the horizon counts as zero: finite differences of float32
# observations are a few 1e-5 of it, and a fully blocked move has no gradient.
NEGLIGIBLE = 1e-3


@dataclass(frozen=True)
class GradientAlignment:
    """Agreement of gradients for N action sequences, by horizon.

    Attributes:
        cosine: cosine of model's and true gradient, ``(N,)`` per horizon, in [-1, 1]; NaN where it is excluded,
            or where the model's gradient is not finite.
        excluded: tasks without a true gradient to compare with, ``(N,)`` per horizon: it is (nearly) zero, or the
            episode ended earlier.
    """

    cosine: dict[int, NDArray[np.float64]]
    excluded: dict[int, NDArray[np.bool_]]

    def summary(self) -> dict[str, dict[str, float | None]]:
        """Mean ``cosine`` of the other tasks (None without any) and share ``excluded``, for each horizon."""
        summary: dict[str, dict[str, float | None]] = {}
        for horizon, excluded in self.excluded.items():
            counted = self.cosine[horizon][~excluded]
            summary[str(horizon)] = {
                "cosine": float(counted.mean()) if len(counted) else None,
                "excluded": float(excluded.mean()),
            }
        return summary


def gradient_alignment(
    world_model: WorldModel,
    truth: WorldModel | gym.vector.VectorEnv,
    tasks: Tasks,
    actions: NDArray[np.floating],
    horizons: Sequence[int] = HORIZONS,
    *,
    observations: Mapping[str, NDArray] | None = None,
    step: float = 0.01,
) -> GradientAlignment:
    """Compare gradients of the distance to the goal with respect to the actions: the model's and the true ones.

    For horizon h the cost is the distance to the goal after h steps, linearised at the true outcome of the first h
    actions: ``<u_h, p_h(a_1..a_h)>`` with ``u_h`` the unit vector from the goal to the true achieved goal. Its true
    gradient is that of the terminal cost (``GoalMSE``) up to a factor; the model's gradient is that of the same linear
    cost through the model. The direction is the true one, not the model's own: after h steps of a plan that it believes
    in, the model is at the goal, and its remaining distance has an arbitrary direction.

    Args:
        world_model: a model with a probe; used in eval mode, its mode is restored.
        truth: the true dynamics: a differentiable simulator of the environment, for gradients by autograd, or
            any vector environment whose ``reset`` sets states, without autoreset, for gradients by finite differences.
            These run every task ``1 + 2 H A`` times, H environment steps of the longest horizon. At an obstacle
            autograd takes one side of the kink, differences average over both.
        tasks: N tasks; their goals in the environment's goal space.
        actions: model actions at which to take the gradients, ``(N, H', A')`` with H' >= H, environment units, in the
            action bounds.
        horizons: numbers of model steps h, each in 1..H'.
        observations: the environment's observations at the start, ``(N, ...)`` per key; None: the tasks' states and
            goals.
        step: step of the finite differences, as a fraction of half the action range. They are central, except at the
            action bounds, beyond which environments clip.

    Returns:
        Cosines, per horizon and task.

    Raises:
        ValueError: a horizon is not in 1..H', there is not one action sequence for each task, or the model has no
            probe.
    """
    if len(actions) != len(tasks):
        raise ValueError(f"there must be one action sequence for each of {len(tasks)} tasks, got {len(actions)}")
    if not horizons or not all(1 <= horizon <= actions.shape[1] for horizon in horizons):
        raise ValueError(f"horizons must lie in 1..{actions.shape[1]}, the length of the plans, got {list(horizons)}")
    block = world_model.action_block
    single = actions.reshape(len(actions), -1, world_model.env_action_dim)  # (N, n H', A), environment steps
    known = {"observation": tasks.states, "desired_goal": tasks.goals}
    true: _Differentiated | _Executed
    if isinstance(truth, WorldModel):
        true = _Differentiated(truth, known, single)
    else:
        true = _Executed(envs=truth, tasks=tasks, actions=single[:, : block * max(horizons)], step=step)
    model = _Differentiated(world_model, observations or known, actions)
    goals = tasks.goals.reshape(len(tasks), -1).astype(np.float64)
    cosine, excluded = {}, {}
    for horizon in horizons:
        apart = true.achieved(block * horizon) - goals
        length = np.linalg.norm(apart, axis=1, keepdims=True)
        direction = apart / np.where(length > 0, length, 1)
        wanted, found = true.gradient(block * horizon, direction), model.gradient(horizon, direction)
        size = np.linalg.norm(wanted, axis=1)
        counts = size > NEGLIGIBLE * np.max(size, where=np.isfinite(size), initial=0.0)  # false where size is NaN
        product = size * np.linalg.norm(found, axis=1)
        with np.errstate(invalid="ignore"):  # infinite gradients have no cosine
            quotient = (wanted * found).sum(1) / np.where(product == 0, 1, product)
        cosine[horizon] = np.where(counts, quotient, np.nan)
        excluded[horizon] = ~counts
    return GradientAlignment(cosine, excluded)


class _Differentiated:
    """Achieved goals and gradients through a model, by autograd."""

    def __init__(self, model: WorldModel, observations: Mapping[str, NDArray], actions: NDArray[np.floating]) -> None:
        self._model = model
        self._observations = {key: values[:, None] for key, values in observations.items()}
        self._actions = actions

    def achieved(self, horizon: int) -> NDArray[np.float64]:
        """Achieved goals after ``horizon`` of its steps, ``(N, G)``."""
        return self._run(horizon)[1].detach().cpu().double().numpy()

    def gradient(self, horizon: int, direction: NDArray[np.float64]) -> NDArray[np.float64]:
        """Gradient of ``<direction, achieved>``, ``(N, horizon * A)``."""
        with torch.inference_mode(False), torch.enable_grad():
            actions, achieved = self._run(horizon)
            (gradient,) = torch.autograd.grad(achieved, actions, torch.from_numpy(direction).to(achieved))
        return gradient.flatten(1).cpu().double().numpy()

    def _run(self, horizon: int) -> tuple[Tensor, Tensor]:
        model, one = self._model, np.ones(self._model.env_action_dim)  # bounds, on which nothing here depends
        with eval_mode(model):
            problem = PlanningProblem.from_observations(model, GoalMSE(), self._observations, bounds=(-one, one))
            actions = torch.tensor(self._actions[:, :horizon]).to(problem.context)
            actions.requires_grad_(torch.is_grad_enabled())
            reached = problem.rollout(actions[:, None], lambda latents: model.achieved_goal(latents[:, -1]))
            return actions, reached.flatten(1)


class _Executed:
    """Achieved goals and gradients in an environment, by finite differences."""

    def __init__(self, *, envs: gym.vector.VectorEnv, tasks: Tasks, actions: NDArray[np.floating], step: float) -> None:
        low, high = action_bounds(envs)
        (count, horizon, dim), size = actions.shape, actions.shape[1] * actions.shape[2]
        away = (step * (high - low) / 2 * np.eye(size).reshape(size, horizon, dim)).astype(np.float32)
        here = actions.astype(np.float32)[:, None]
        up, down = np.clip(here + away, low, high), np.clip(here - away, low, high)
        tried = np.concatenate([here, up, down], axis=1)  # (N, 1 + 2 H A, H, A)
        owner = np.repeat(np.arange(count), tried.shape[1])
        achieved, lengths = play_back(envs, tasks.select(owner), tried.reshape(-1, horizon, dim))
        achieved = achieved.reshape(count, tried.shape[1], horizon, -1)
        self._lengths = lengths.reshape(count, -1).min(axis=1)
        self._achieved = achieved[:, 0]
        moved = (up - down).reshape(count, size, size).diagonal(axis1=1, axis2=2)  # one difference for each action
        change = achieved[:, 1 : size + 1] - achieved[:, size + 1 :]
        self._jacobians = change / moved[:, :, None, None]  # (N, H A, H, G)
        self._dim = dim

    def achieved(self, horizon: int) -> NDArray[np.float64]:
        achieved: NDArray[np.float64] = self._achieved[:, horizon - 1]
        return achieved

    def gradient(self, horizon: int, direction: NDArray[np.float64]) -> NDArray[np.float64]:
        jacobian = self._jacobians[:, : horizon * self._dim, horizon - 1]
        gradient = np.einsum("nig,ng->ni", jacobian, direction)
        return np.where(self._lengths[:, None] >= horizon, gradient, np.nan)
