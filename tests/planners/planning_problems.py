"""Small problems to plan."""

import torch

from gbplan.networks import IdentityEncoder, MLPPredictor, Predictor, WorldModel
from gbplan.objectives import Objective, ReachGoal
from gbplan.planners import PlanningProblem


class LinearDynamics(Predictor):
    """z' = z + a."""

    latent_shape = (2,)
    action_dim = 2

    def forward(self, latents, actions):
        latent, action = latents[:, -1], actions[:, -1]
        return latent + action


def random_mlp(dim=3, action_dim=2, history=1):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        predictor = MLPPredictor(dim, action_dim, (16,), activation="tanh", history=history)
        return WorldModel(IdentityEncoder(dim), predictor).double()


def make_problem(batch=3, model=None, objective=None, low=(-1.0, -0.5), high=(0.5, 2.0), seed=0, **kwargs):
    """Random starts and goals, in float64: tests compare plans made along different routes."""
    model = random_mlp() if model is None else model
    generator, frames = torch.Generator().manual_seed(seed), model.history
    return PlanningProblem(
        model=model,
        objective=ReachGoal(0.5) if objective is None else objective,
        context=torch.randn(batch, frames, *model.latent_shape, generator=generator, dtype=torch.float64),
        past_actions=torch.full((batch, frames - 1, len(low)), 0.25, dtype=torch.float64),
        goal=torch.randn(batch, 2, generator=generator, dtype=torch.float64),
        low=torch.tensor(low, dtype=torch.float64),
        high=torch.tensor(high, dtype=torch.float64),
        **kwargs,
    )


class TrackGoalCheaply(Objective):
    """Terminal squared distance plus squared actions."""

    def __call__(self, predicted, goal, actions):
        return (predicted[:, -1] - goal).square().sum(1) + actions.square().sum((1, 2))


def linear_quadratic(low=(-9.0, -9.0), high=(9.0, 9.0)):
    """min |gap - sum a|^2 + sum |a|^2: every action is gap / (H + 1), and the cost |gap|^2 / (H + 1)."""
    model = WorldModel(IdentityEncoder(2), LinearDynamics()).double()
    return make_problem(4, model=model, objective=TrackGoalCheaply(), low=low, high=high)


class Recording(Objective):
    """Another objective, which records the actions of every call, ``(rows, H, A)`` each."""

    def __init__(self, objective):
        self.objective = objective
        self.asked = []

    def __call__(self, predicted, goal, actions):
        self.asked.append(actions.detach().clone())
        return self.objective(predicted, goal, actions)
