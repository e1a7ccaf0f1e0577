"""The planning loss on a plane of action sequences."""

from collections.abc import Mapping
from dataclasses import dataclass

import gymnasium as gym
import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from gbplan.evaluation.playback import replay
from gbplan.evaluation.task_set import Tasks
from gbplan.networks import WorldModel
from gbplan.networks.eval_mode import eval_mode
from gbplan.objectives import Objective
from gbplan.planners import PlanningProblem


@dataclass(frozen=True)
class Landscape:
    """Losses on a grid.

    Attributes:
        alpha: coordinates towards the first plan, ``(n,)``.
        beta: coordinates towards the second plan, ``(n,)``.
        loss: for each model, ``(n, n)``; row j, column i belongs to ``beta[j]``, ``alpha[i]``, as in contour plots.
    """

    alpha: NDArray[np.float64]
    beta: NDArray[np.float64]
    loss: dict[str, NDArray[np.float64]]


def landscape(
    models: Mapping[str, WorldModel | gym.vector.VectorEnv],
    objective: Objective,
    tasks: Tasks,
    reference: ArrayLike,
    first: ArrayLike,
    second: ArrayLike,
    *,
    low: ArrayLike = -1.0,
    high: ArrayLike = 1.0,
    extent: float = 1.25,
    points: int = 51,
) -> Landscape:
    """Evaluate the planning loss of one task on the plane through three plans.

    ``a(alpha, beta) = reference + alpha (first - reference) + beta (second - reference)``. The directions are not
    normalised: the plans lie at (0, 0), (1, 0) and (0, 1). Actions are clipped to their bounds, as environments do and
    planners must, so the plane bends where it leaves them.

    Source: arXiv 2512.09929, Figure 2, where the reference is the expert's actions and the plans are those that
    gradient descent finds through the base model and through the adversarially trained one.

    Args:
        models: whose losses, by name. The truth may be among them: as the environment's
            differentiable simulator, or as a vector environment whose ``reset`` sets states, without autoreset; an
            episode that it ends early stays where it ended.
        objective: the loss.
        tasks: the task, N = 1.
        reference: actions ``(H, A)``, environment units.
        first: actions ``(H, A)``.
        second: actions ``(H, A)``.
        low: lower action bounds, ``(A,)`` or one for all.
        high: upper action bounds, likewise.
        extent: alpha and beta run from minus this to this.
        points: n, grid points on each side. If odd, the reference is one of them; with the default extent and
            10 k + 1 points, so are the two plans.

    Returns:
        The losses.

    Raises:
        ValueError: there is not exactly one task, or the plans are not of the same shape ``(H, A)``.
    """
    plans = [np.asarray(plan, np.float64) for plan in (reference, first, second)]
    if len(tasks) != 1:
        raise ValueError(f"a landscape is of one task, got {len(tasks)}")
    if plans[0].ndim != 2 or len({plan.shape for plan in plans}) > 1:
        raise ValueError(f"the plans must have the same shape (H, A), got {[plan.shape for plan in plans]}")
    axis = np.linspace(-extent, extent, points)
    alpha, beta = (grid.reshape(-1, 1, 1) for grid in np.meshgrid(axis, axis))
    actions = plans[0] + alpha * (plans[1] - plans[0]) + beta * (plans[2] - plans[0])  # (n * n, H, A)
    actions = np.clip(actions, low, high)
    loss = {}
    for name, model in models.items():
        if isinstance(model, WorldModel):
            values = _imagined(model, objective, tasks, actions)
        else:
            values = _executed(model, objective, tasks, actions)
        loss[name] = values.reshape(points, points)
    return Landscape(axis, axis, loss)


def _imagined(
    model: WorldModel, objective: Objective, tasks: Tasks, actions: NDArray[np.float64]
) -> NDArray[np.float64]:
    one = np.ones(model.env_action_dim)  # actions are clipped already
    with eval_mode(model), torch.no_grad():
        observations = {"observation": tasks.states[:, None], "desired_goal": tasks.goals[:, None]}
        problem = PlanningProblem.from_observations(model, objective, observations, bounds=(-one, one))
        return problem.cost(torch.from_numpy(actions).to(problem.context)[None])[0].cpu().double().numpy()


def _executed(
    envs: gym.vector.VectorEnv, objective: Objective, tasks: Tasks, actions: NDArray[np.float64]
) -> NDArray[np.float64]:
    achieved, _ = replay(envs, tasks.select(np.zeros(len(actions), np.int64)), actions)
    goal = torch.from_numpy(tasks.goals).double().expand(len(actions), *tasks.goals.shape[1:])
    return objective(torch.from_numpy(achieved), goal, torch.from_numpy(actions)).numpy()
