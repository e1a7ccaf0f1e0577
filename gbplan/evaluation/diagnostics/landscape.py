"""The planning loss on a plane of action sequences."""

from collections.abc import Mapping
from dataclasses import dataclass

import gymnasium as gym
import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from gbplan.evaluation.playback import play_back
from gbplan.evaluation.task_set import Tasks
from gbplan.networks import WorldModel
from gbplan.networks.eval_mode import eval_mode
from gbplan.objectives import GoalMSE, Objective
from gbplan.objectives.scaled import with_data_scale
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
    models: Mapping[str, WorldModel],
    objective: Objective,
    tasks: Tasks,
    reference: ArrayLike,
    first: ArrayLike,
    second: ArrayLike,
    *,
    truth: WorldModel | gym.vector.VectorEnv | None = None,
    observations: Mapping[str, NDArray] | None = None,
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
        models: the models, by name; all with the same action block n.
        objective: the loss.
        tasks: the task, N = 1.
        reference: model actions ``(H, A')``, environment units.
        first: actions ``(H, A')``.
        second: actions ``(H, A')``.
        truth: the true dynamics, for the loss called ``truth``: the environment's differentiable simulator, or a vector
            environment whose ``reset`` sets states, without autoreset; an episode that it ends early stays where it
            ended. The objective is the same, on the achieved goal after every n-th step; ``Scaled`` by ``data`` gets
            its scale from the first model.
        observations: the environment's observations at the start, ``(1, ...)`` per key; None: the task's state and
            goal.
        low: lower bounds of an environment action, ``(A,)`` or one for all.
        high: upper bounds, ``(A,)`` or one for all.
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
        raise ValueError(f"a landscape shows one task, got {len(tasks)}")
    if plans[0].ndim != 2 or len({plan.shape for plan in plans}) > 1:
        raise ValueError(f"the plans must have the same shape (H, A), got {[plan.shape for plan in plans]}")
    axis = np.linspace(-extent, extent, points)
    alpha, beta = (grid.reshape(-1, 1, 1) for grid in np.meshgrid(axis, axis))
    actions = plans[0] + alpha * (plans[1] - plans[0]) + beta * (plans[2] - plans[0])  # (n * n, H, A)
    block = next((model.action_block for model in models.values()), 1)
    single = actions.reshape(len(actions), block * len(plans[0]), -1)  # (n * n, n H, A), one each environment step
    single = np.clip(single, low, high)
    actions = single.reshape(actions.shape)
    known = {"observation": tasks.states, "desired_goal": tasks.goals}
    loss = {name: _cost(model, objective, observations or known, actions) for name, model in models.items()}
    if models:
        objective = with_data_scale(objective, lambda: _deviations(next(iter(models.values()))))
    if isinstance(truth, WorldModel) and block == 1:
        loss["truth"] = _cost(truth, objective, known, actions)
    elif truth is not None:
        if isinstance(truth, WorldModel):
            achieved = _simulated(truth, known, single)
        else:
            achieved, _ = play_back(truth, tasks.select(np.zeros(len(single), np.int64)), single)
        ends = torch.from_numpy(achieved[:, block - 1 :: block])
        goal = torch.from_numpy(tasks.goals).double().expand(len(ends), *tasks.goals.shape[1:])
        loss["truth"] = objective(ends, goal, torch.from_numpy(actions)).numpy()
    return Landscape(axis, axis, {name: values.reshape(points, points) for name, values in loss.items()})


def _cost(
    model: WorldModel, objective: Objective, observations: Mapping[str, NDArray], actions: NDArray[np.float64]
) -> NDArray[np.float64]:
    problem = _problem(model, objective, observations)
    with eval_mode(model), torch.no_grad():
        return problem.cost(torch.from_numpy(actions).to(problem.context)[None])[0].cpu().double().numpy()


def _deviations(model: WorldModel) -> Tensor:
    """Standard deviations of the environment's achieved goals in the data of a model with a probe."""
    return model.goal_deviations() if model.probe is None else model.probe.goal_std


def _simulated(
    simulator: WorldModel, observations: Mapping[str, NDArray], actions: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Achieved goals of actions ``(N, H, A)``, ``(N, H, *G)``."""
    problem = _problem(simulator, GoalMSE(), observations)
    with eval_mode(simulator), torch.no_grad():
        tried = torch.from_numpy(actions).to(problem.context)[None]
        return problem.rollout(tried, simulator.achieved_goal)[0].cpu().double().numpy()


def _problem(model: WorldModel, objective: Objective, observations: Mapping[str, NDArray]) -> PlanningProblem:
    one = np.ones(model.env_action_dim)  # bounds, to which actions are clipped already
    present = {key: values[:, None] for key, values in observations.items()}
    with eval_mode(model):
        return PlanningProblem.from_observations(model, objective, present, bounds=(-one, one))
