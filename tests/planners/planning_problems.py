"""Small problems to plan."""

import torch

from gbplan.networks import IdentityEncoder, MLPPredictor, Predictor, WorldModel
from gbplan.objectives import ReachGoal
from gbplan.planners import PlanningProblem


class LinearDynamics(Predictor):
    """z' = z + a."""

    latent_shape = (2,)
    action_dim = 2

    def forward(self, latent, action):
        return latent + action


def random_mlp(dim=3, action_dim=2):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return WorldModel(IdentityEncoder(dim), MLPPredictor(dim, action_dim, (16,), activation="tanh")).double()


def make_problem(batch=3, model=None, objective=None, low=(-1.0, -0.5), high=(0.5, 2.0), seed=0, **kwargs):
    """Random starts and goals, in float64: tests compare plans made along different routes."""
    model = random_mlp() if model is None else model
    generator = torch.Generator().manual_seed(seed)
    return PlanningProblem(
        model=model,
        objective=ReachGoal(0.5) if objective is None else objective,
        context=torch.randn(batch, 1, *model.latent_shape, generator=generator, dtype=torch.float64),
        past_actions=torch.zeros(batch, 0, len(low), dtype=torch.float64),
        goal=torch.randn(batch, 2, generator=generator, dtype=torch.float64),
        low=torch.tensor(low, dtype=torch.float64),
        high=torch.tensor(high, dtype=torch.float64),
        **kwargs,
    )
