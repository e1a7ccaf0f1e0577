"""Planning from the guess of an init network."""

from dataclasses import dataclass, field, replace
from functools import cached_property

import torch
from torch import Generator, Tensor
from torch.nn.functional import pad

from gbplan.networks.init_network import InitNetwork
from gbplan.networks.world_model import WorldModel
from gbplan.planners.plan import Plan
from gbplan.planners.planner import Planner
from gbplan.planners.problem import PlanningProblem
from gbplan.planners.scoring import lowest


@dataclass(frozen=True)
class InitializedPlanner(Planner):
    """Starts another planner from the guess of a trained init network.

    A task that has initial actions already, such as the rest of an earlier plan, starts from the better of the two,
    which costs it two rollouts, ``2 * H`` model calls.

    The world model must have the encoder that the network was trained with.

    Source: arXiv 2512.09929, Table 6.

    Args:
        planner: the planner that improves the guess; its horizon is also this planner's. If it is shorter than the
            network's, the guess is cut off; if longer, zero actions (or the bounds nearest to them) follow.
        ckpt_path: checkpoint of an ``InitNetworkModule``, read when the first plan is made.
    """

    horizon: int = field(init=False, repr=False)
    planner: Planner
    ckpt_path: str

    def __post_init__(self) -> None:
        """Set the horizon to the planner's."""
        object.__setattr__(self, "horizon", self.planner.horizon)
        super().__post_init__()

    @cached_property
    def network(self) -> InitNetwork:
        """The init network, in eval mode."""
        return InitNetwork.from_checkpoint(self.ckpt_path)

    def _plan(self, problem: PlanningProblem, init: Tensor | None, horizon: int, generator: Generator) -> Plan:
        start = guess = self._guess(problem, horizon)
        if init is not None:
            with torch.no_grad():
                both = torch.stack([init, guess], dim=1)
                start = lowest(both, problem.cost(both), 1)[0][:, 0]
        plan = self.planner._plan(problem, start, horizon, generator)
        return plan if init is None else replace(plan, model_calls=plan.model_calls + 2 * horizon)

    def _guess(self, problem: PlanningProblem, horizon: int) -> Tensor:
        latent, model, network = problem.context[:, -1], problem.model, self.network
        if isinstance(model, WorldModel):  # the network reads the encoder's latents before normalisation
            latent = model.normalizer.restore(latent)
        sizes = (latent[0].numel(), problem.goal[0].numel(), problem.action_dim)
        if sizes != (network.latent_dim, network.goal_dim, network.action_dim):
            raise ValueError(
                f"the init network of {self.ckpt_path} takes latents and goals of {network.latent_dim} and "
                f"{network.goal_dim} numbers and gives actions of {network.action_dim}, the problem has "
                f"{sizes[0]}, {sizes[1]} and {sizes[2]}; use one trained for this environment and encoder"
            )
        guess = network.to(latent)(latent, problem.goal)[:, :horizon]
        return problem.clip(pad(guess, (0, 0, 0, horizon - guess.shape[1])))
