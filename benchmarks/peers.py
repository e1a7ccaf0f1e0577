"""Planners of other packages, on the problems of ``planners.py``; each is imported when it is made."""

import contextlib
import importlib.util
import io
from collections.abc import Callable

import gymnasium as gym
import numpy as np
import torch
from torch import Tensor, nn

from gbplan.networks import WorldModel
from gbplan.planners import PlanningProblem

SAMPLES, ELITES, ITERATIONS = 300, 30, 30  # of the usual CEM


def installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


class Costed(nn.Module):
    """The smallest model that stable-worldmodel's solvers take: candidates ``(B, S, H, A)`` to costs ``(B, S)``."""

    def __init__(self, model: WorldModel) -> None:
        super().__init__()
        self.net = model.predictor.net

    def get_cost(self, info: dict[str, Tensor], candidates: Tensor) -> Tensor:
        """Squared distance to the goal after the last step."""
        state = info["state"]
        for action in candidates.unbind(2):
            state = state + self.net(torch.cat([state, action], dim=-1))
        return (state - info["goal"]).square().sum(-1)

    criterion = get_cost


def stable_worldmodel(problem: PlanningProblem, horizon: int, solver: str, **settings: object) -> Callable[[], Tensor]:
    from stable_worldmodel import solver as solvers
    from stable_worldmodel.policy import PlanConfig

    batch = problem.batch_size
    made = getattr(solvers, solver)(Costed(problem.model), seed=0, **settings)
    space = gym.spaces.Box(-1, 1, (batch, 2), np.float32)
    made.configure(action_space=space, n_envs=batch, config=PlanConfig(horizon=horizon, receding_horizon=horizon))
    info = {"state": problem.context[:, 0], "goal": problem.goal}

    def solve() -> Tensor:
        with contextlib.redirect_stdout(io.StringIO()):  # each solve prints its time
            return made.solve(dict(info))["actions"]

    return solve


def pytorch_mppi(problem: PlanningProblem, horizon: int) -> Callable[[], Tensor]:
    import pytorch_mppi as package

    net, batch = problem.model.predictor.net, problem.batch_size
    goal = problem.goal.repeat_interleave(SAMPLES, 0)

    def move(state: Tensor, action: Tensor, step: int) -> Tensor:
        return state + net(torch.cat([state, action], dim=-1))

    def running(state: Tensor, action: Tensor, step: int) -> Tensor:
        return (state - goal).square().sum(-1) if step == horizon - 1 else state.new_zeros(len(state))

    one = torch.ones(2)
    made = package.MPPI_Batched(
        move,
        running,
        2,
        0.5 * torch.eye(2),
        num_envs=batch,
        num_samples=SAMPLES,
        horizon=horizon,
        step_dependent_dynamics=True,
        lambda_=0.01,
        u_min=-one,
        u_max=one,
    )
    nominal = torch.zeros_like(made.U)

    def solve() -> Tensor:
        made.U = nominal.clone()
        with torch.no_grad():
            for _ in range(ITERATIONS):
                made.command(problem.context[:, 0], shift_nominal_trajectory=False)
        return made.U.reshape(batch, horizon, 2)

    return solve


def torchrl_cem(problem: PlanningProblem, horizon: int) -> Callable[[], None]:
    from tensordict import TensorDict
    from torchrl.data import Bounded, Composite, Unbounded
    from torchrl.envs.model_based import ModelBasedEnvBase
    from torchrl.modules import CEMPlanner as TorchRLCEM
    from torchrl.modules import SafeModule, WorldModelWrapper

    net = problem.model.predictor.net

    class Move(nn.Module):
        def forward(self, joint: Tensor, action: Tensor) -> Tensor:
            state = joint[..., :2]
            return torch.cat([state + net(torch.cat([state, action], dim=-1)), joint[..., 2:]], dim=-1)

    class Reward(nn.Module):
        def forward(self, joint: Tensor) -> Tensor:
            return -(joint[..., :2] - joint[..., 2:]).square().sum(-1, keepdim=True)

    class Env(ModelBasedEnvBase):
        def __init__(self, world: nn.Module) -> None:
            super().__init__(world, device="cpu", batch_size=[])
            self.state_spec = Composite(hidden_observation=Unbounded((4,)))
            self.observation_spec = Composite(hidden_observation=Unbounded((4,)))
            self.action_spec, self.reward_spec = Bounded(-1, 1, (2,)), Unbounded((1,))

        def _reset(self, tensordict: TensorDict) -> TensorDict:
            raise NotImplementedError

    world = WorldModelWrapper(
        SafeModule(Move(), ["hidden_observation", "action"], ["hidden_observation"]),
        SafeModule(Reward(), ["hidden_observation"], ["reward"]),
    )
    made = TorchRLCEM(Env(world), horizon, ITERATIONS, SAMPLES, ELITES)
    given = TensorDict(
        {"hidden_observation": torch.cat([problem.context[:, 0], problem.goal], -1)}, [problem.batch_size]
    )
    given = given[0] if problem.batch_size == 1 else given
    if made.env.full_done_spec.shape != given.batch_size:
        given.update(made.env.full_done_spec.zero(given.batch_size))

    def solve() -> None:
        with torch.no_grad():
            made(given.clone())  # it returns the first action only

    return solve
